"""Imported before NetGear is used: gives each NetGear of this process a ZeroMQ context of its own, as in a process of its own.

NetGear takes the context that the whole process shares. There a second one in secure mode finds the authenticator's address taken, and goes on
without any security.
"""
import zmq

zmq.Context.instance = classmethod(lambda cls, io_threads=1: zmq.Context(io_threads))
