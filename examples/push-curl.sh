#!/bin/sh
# Sends an image to a gateway twice, with curl.
#   npm start -- --source push:
#   sh examples/push-curl.sh picture.jpg
set -eu
picture=${1:-picture.jpg}
stream=${2:-http://127.0.0.1:8080/streams/main}

# As a form: the message is a field.
curl -sS --fail-with-body -F "frame=@$picture" --form-string 'message={"number": 1}' "$stream/frames"
echo

# As the body: the message and the time of capture are headers.
curl -sS --fail-with-body --data-binary "@$picture" -H 'Content-Type: image/jpeg' \
  -H 'Gearway-Message: {"number": 2}' -H "Gearway-Captured-At: $(date -u +%Y-%m-%dT%H:%M:%SZ)" "$stream/frames"
echo
