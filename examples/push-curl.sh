#!/bin/sh
# Sends a picture to a gateway twice, as anything that has curl can.
#   npm start -- --source push:
#   sh examples/push-curl.sh picture.jpg
set -eu
picture=${1:-picture.jpg}
stream=${2:-http://127.0.0.1:8080/streams/main}

# As a form: what travels with the picture is a field.
curl -sS --fail-with-body -F "frame=@$picture" --form-string 'message={"number": 1}' "$stream/frames"
echo

# As the body: what travels with it is a header, and so is the time at which it was taken.
curl -sS --fail-with-body --data-binary "@$picture" -H 'Content-Type: image/jpeg' \
  -H 'Gearway-Message: {"number": 2}' -H "Gearway-Captured-At: $(date -u +%Y-%m-%dT%H:%M:%SZ)" "$stream/frames"
echo
