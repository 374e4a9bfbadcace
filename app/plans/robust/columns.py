"""What a request says of its users as columns: the one place that looks at them one by one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from app.plans.robust.schemas import RobustUser
from solvers.arrays import Floats, Integers


@dataclass(frozen=True, slots=True, kw_only=True)
class Users:
    """One row per user, in the order of the request; NaN where a user says nothing."""

    ids: Sequence[str]
    networks: Sequence[RobustUser]  # the distinct ways to run a network, as the request names them
    network: Integers  # (users,) which of them
    cell: Integers  # (users,) position among the request's cells; 0 where it lists none
    gain_db: Floats
    distance_m: Floats
    snr_db: Floats
    snr_bandwidth_hz: Floats
    tx_power_w: Floats
    deadline_s: Floats
    risk: Floats
    correlation: Floats
    rate_hz: Floats
    max_loss: Floats


def columns(users: Sequence[RobustUser], cells: Mapping[str, int]) -> Users:
    """The users of a request; `cells` are the positions of its cells, none where it lists none."""
    networks: dict[object, int] = {}
    ways: list[RobustUser] = []
    network = np.empty(len(users), dtype=np.int64)
    for n, user in enumerate(users):
        way = user.device, user.model, user.device_timing, user.server_timing, user.servers
        network[n] = code = networks.setdefault(way, len(ways))
        if code == len(ways):
            ways.append(user)

    def column(value: Callable[[RobustUser], float | None]) -> Floats:
        return np.fromiter(
            (np.nan if (v := value(user)) is None else v for user in users), np.float64, len(users)
        )

    return Users(
        ids=[user.id for user in users],
        networks=ways,
        network=network,
        cell=np.fromiter(
            (0 if user.cell is None else cells[user.cell] for user in users), np.int64, len(users)
        ),
        gain_db=column(lambda user: user.gain_db),
        distance_m=column(lambda user: user.distance_m),
        snr_db=column(lambda user: user.snr_reference.snr_db if user.snr_reference else None),
        snr_bandwidth_hz=column(
            lambda user: user.snr_reference.bandwidth_hz if user.snr_reference else None
        ),
        tx_power_w=column(lambda user: user.tx_power_w),
        deadline_s=column(lambda user: user.deadline_s),
        risk=column(lambda user: user.risk),
        correlation=column(lambda user: user.correlation),
        rate_hz=column(lambda user: user.rate_hz),
        max_loss=column(lambda user: user.max_loss),
    )
