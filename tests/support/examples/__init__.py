"""The examples of the OpenAPI document: recorded from a service, and written by `make examples`."""
