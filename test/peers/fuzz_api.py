"""Fuzzes an HTTP API by its OpenAPI document, which is validated first. Prints one JSON line per failure, and one when it ends.

Options (JSON, first argument): url (with a trailing slash), token, examples (per operation, valid and invalid each), names (of streams), excluded (paths).
"""
import json
import sys
import tempfile
import time
import urllib.request

import hypothesis
import hypothesis.configuration
import schemathesis
from openapi_spec_validator import validate
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance


def emit(**event):
    print(json.dumps(event), flush=True)


# Otherwise Schemathesis would write to the working directory.
hypothesis.configuration.set_hypothesis_home_dir(tempfile.mkdtemp(prefix="gearway-hypothesis-"))
options = json.loads(sys.argv[1])
url = options["url"]
document = json.load(urllib.request.urlopen(f"{url}api/openapi.json"))
validate(document)
emit(event="valid", operations=sum(len(methods) for methods in document["paths"].values()))

# Most generated names would otherwise not be names of streams.
for methods in document["paths"].values():
    for operation in methods.values():
        for parameter in operation.get("parameters", []):
            if parameter["in"] == "path" and parameter["name"] == "name":
                parameter["schema"] = {"enum": options["names"]}
del document["servers"]
headers = {"Authorization": f"Bearer {options['token']}"}
statuses = {}
begun = time.monotonic()


def check(case):
    response = case.call(base_url=url, headers=headers, timeout=10)
    statuses[response.status_code] = statuses.get(response.status_code, 0) + 1
    assert response.status_code < 500 or response.status_code == 503, f"{response.status_code}: {response.text[:200]}"
    case.validate_response(response, checks=[status_code_conformance, content_type_conformance, response_schema_conformance], headers=headers)


for result in schemathesis.openapi.from_dict(document).get_all_operations():
    operation = result.ok()
    if operation.path in options["excluded"]:
        continue
    for mode in (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE):
        settings = hypothesis.settings(max_examples=options["examples"], deadline=None, database=None, suppress_health_check=list(hypothesis.HealthCheck), report_multiple_bugs=False)
        try:
            settings(hypothesis.given(case=operation.as_strategy(generation_mode=mode))(check))()
        except hypothesis.errors.Unsatisfiable:
            continue
        except (AssertionError, Failure, FailureGroup) as error:
            emit(event="failure", operation=f"{operation.method.upper()} {operation.path}", mode=mode.value, text=str(error)[:1000])
emit(event="done", statuses=statuses, seconds=round(time.monotonic() - begun, 1))
