"""Creates the keys of secure mode with NetGear, in each of the folders (JSON, first argument: folders)."""
import json
import os
import sys

from vidgear.gears.helper import generate_auth_certificates

for folder in json.loads(sys.argv[1])["folders"]:
    os.makedirs(folder)
    generate_auth_certificates(folder)
print(json.dumps({"event": "done"}), flush=True)
