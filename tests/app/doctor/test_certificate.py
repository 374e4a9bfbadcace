"""Certificates that are not what they should be, each made by an authority of the test."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from app.doctor.certificate import look
from app.settings import Settings
from tests.support.doctor import faults

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def settings(cert: Path, key: Path | None = None) -> Settings:
    return Settings(database_url="sqlite:///x.db", tls_cert=cert, tls_key=key or cert)


@pytest.fixture
def written(tmp_path: Path, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A good one, of an authority that this machine knows, with its key in the same file."""
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    monkeypatch.setattr("certifi.where", lambda: str(tmp_path / "authority.pem"))
    return write(tmp_path / "good.pem", authority)


def write(file: Path, authority: trustme.CA, left: timedelta = 90 * DAY) -> Path:
    now = datetime.now(UTC)
    issued = authority.issue_cert("plans.example", not_before=now - 400 * DAY, not_after=now + left)
    issued.private_key_and_cert_chain_pem.write_to_path(file)
    file.chmod(0o600)
    return file


def test_a_good_one(written: Path) -> None:
    found = list(look(settings(written)))
    assert faults(found) == ""
    assert "for plans.example, good until" in found[0].says


def test_one_whose_time_is_over_or_nearly(
    written: Path, authority: trustme.CA, tmp_path: Path
) -> None:
    soon = write(tmp_path / "soon.pem", authority, 10 * DAY)
    assert "tls warning: the certificate expires in 10 days" in faults(look(settings(soon)))
    over = write(tmp_path / "over.pem", authority, -DAY)
    told = faults(look(settings(over)))
    assert "tls wrong: the certificate, or one of its chain, has expired" in told
    assert len(told.splitlines()) == 1, "once"


def test_one_that_is_not_what_it_should_be(
    written: Path, authority: trustme.CA, tmp_path: Path
) -> None:
    other = write(tmp_path / "other.pem", authority)
    assert "the key is not that of the certificate" in faults(look(settings(written, other)))
    (tmp_path / "no.pem").write_text("no certificate")
    assert "hold no certificate with its key" in faults(look(settings(tmp_path / "no.pem")))
    told = faults(look(settings(tmp_path / "none.pem")))
    assert "SPLITPLAN_TLS_CERT cannot be read: No such file or directory" in told
    written.chmod(0o644)
    assert "everybody on this machine may read the key" in faults(look(settings(written)))


def test_an_encrypted_key(written: Path, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization as form

    key = form.load_pem_private_key(written.read_bytes(), None)
    locked = key.private_bytes(
        form.Encoding.PEM, form.PrivateFormat.PKCS8, form.BestAvailableEncryption(b"secret")
    )
    (tmp_path / "key.pem").write_bytes(locked)
    assert "the key is encrypted" in faults(look(settings(written, tmp_path / "key.pem")))


def test_a_chain_that_lacks_a_link(written: Path, authority: trustme.CA, tmp_path: Path) -> None:
    between = authority.create_child_ca()
    whole = write(tmp_path / "whole.pem", between)
    assert faults(look(settings(whole))) == ""
    issued = between.issue_cert("plans.example")
    leaf = tmp_path / "leaf.pem"
    leaf.write_bytes(issued.private_key_pem.bytes() + issued.cert_chain_pems[0].bytes())
    leaf.chmod(0o600)
    told = faults(look(settings(leaf)))
    assert "no public authority vouches for it (unable to get local issuer certificate)" in told
