"""What a request says of its users as columns: the one place that looks at them one by one."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields

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
    value: Floats

    def only(self, rows: Integers) -> "Users":
        """Some of them, in the order of these rows."""
        ids, networks = self.ids, self.networks
        columns = {
            field.name: getattr(self, field.name)[rows]
            for field in fields(self)
            if field.name not in ("ids", "networks")
        }
        return Users(ids=[ids[n] for n in rows.tolist()], networks=networks, **columns)


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

    def column(values: Iterable[float | None]) -> Floats:
        return np.array(list(values), dtype=np.float64)  # None is NaN

    snr = [user.snr_reference for user in users]
    return Users(
        ids=[user.id for user in users],
        networks=ways,
        network=network,
        cell=np.array([0 if user.cell is None else cells[user.cell] for user in users], np.int64),
        gain_db=column(user.gain_db for user in users),
        distance_m=column(user.distance_m for user in users),
        snr_db=column(one.snr_db if one else None for one in snr),
        snr_bandwidth_hz=column(one.bandwidth_hz if one else None for one in snr),
        tx_power_w=column(user.tx_power_w for user in users),
        deadline_s=column(user.deadline_s for user in users),
        risk=column(user.risk for user in users),
        correlation=column(user.correlation for user in users),
        rate_hz=column(user.rate_hz for user in users),
        max_loss=column(user.max_loss for user in users),
        value=column(user.value for user in users),
    )
