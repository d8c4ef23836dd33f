"""Imported before NetGear is used: gives each NetGear of this process its own ZeroMQ context, as in separate processes.

NetGear uses the context of the whole process. In this context, the authenticator's address is already in use for a second NetGear in secure mode, which then
continues without any security.
"""
import zmq

zmq.Context.instance = classmethod(lambda cls, io_threads=1: zmq.Context(io_threads))
