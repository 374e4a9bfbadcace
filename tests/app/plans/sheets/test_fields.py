from app.plans.multiuser.schemas import MultiUserUser
from app.plans.robust.schemas import RobustUser
from app.plans.sheets import fields_of
from app.plans.stopping.schemas import StoppingUser


def test_what_is_in_a_column_is_what_its_field_is() -> None:
    fields = fields_of(RobustUser)
    assert {name for name, kind in fields.items() if kind == "list"} == {"servers"}
    assert fields["snr_reference.bandwidth_hz"] == "number"
    texts = {"id", "cell", "device", "model", "device_timing", "server_timing"}
    assert {name for name, kind in fields.items() if kind == "text"} == texts
    for user in (StoppingUser, MultiUserUser):
        assert set(fields_of(user)) == set(user.model_fields)
