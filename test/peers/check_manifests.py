"""Checks Compose files against the Compose specification, and Kubernetes manifests against the schemas of Kubernetes' API. Prints a JSON object.

Arguments: files. Files with a `services` key are Compose files. Unknown fields are errors.
"""
import json
import sys

import compose_spec
import kubernetes_validate
import yaml

checked = []
for path in sys.argv[1:]:
    with open(path) as file:
        text = file.read()
    documents = list(yaml.safe_load_all(text))
    if "services" in documents[0]:
        # PyYAML has already applied the merge keys.
        compose = compose_spec.PyCompose.from_yaml(yaml.safe_dump(documents[0]))
        compose.validate()
        checked += [f"service {name}" for name in compose.service_names()]
        continue
    for document in documents:
        kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)
        checked.append(f"{document['kind']} {document['metadata']['name']}")
print(json.dumps(checked))
