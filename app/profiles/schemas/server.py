"""A server."""

from pydantic import ConfigDict

from app.profiles.schemas.profile import Profile
from app.quantities import (
    Positive,
)


class Server(Profile):
    """An edge server."""

    kind = "server"
    collection = "servers"
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"name": "edge-gpu", "capacity_flop_per_s": 4.0e12, "provenance": "measured"}
            ]
        }
    )

    capacity_flop_per_s: Positive
