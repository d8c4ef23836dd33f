"""GStreamer's RTSP server, which many IP cameras use. Prints one JSON line when it is ready.

Options (JSON, first argument): port (0 for any), streams (a map from path to pipeline, whose payloader is called pay0), user and password (for all of them).
"""
import json
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

options = json.loads(sys.argv[1])
Gst.init(None)
server = GstRtspServer.RTSPServer.new()
server.set_address("127.0.0.1")
server.set_service(str(options.get("port", 0)))
if "user" in options:
    auth = GstRtspServer.RTSPAuth.new()
    token = GstRtspServer.RTSPToken.new()
    token.set_string(GstRtspServer.RTSP_TOKEN_MEDIA_FACTORY_ROLE, "user")
    auth.add_basic(GstRtspServer.RTSPAuth.make_basic(options["user"], options["password"]), token)
    server.set_auth(auth)
for path, pipeline in options["streams"].items():
    factory = GstRtspServer.RTSPMediaFactory.new()
    factory.set_launch(f"( {pipeline} )")
    factory.set_shared(True)
    factory.set_protocols(GstRtsp.RTSPLowerTrans.TCP)
    if "user" in options:
        permissions = GstRtspServer.RTSPPermissions.new()
        permissions.add_permission_for_role("user", GstRtspServer.RTSP_PERM_MEDIA_FACTORY_ACCESS, True)
        permissions.add_permission_for_role("user", GstRtspServer.RTSP_PERM_MEDIA_FACTORY_CONSTRUCT, True)
        factory.set_permissions(permissions)
    server.get_mount_points().add_factory(f"/{path}", factory)
server.attach(None)
print(json.dumps({"event": "ready", "port": server.get_bound_port()}), flush=True)
GLib.MainLoop().run()
