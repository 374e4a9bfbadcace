"""Two tables: the names, and the revisions that never change."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, Json, UtcDateTime
from app.projects import OfProjectOrShared

NullableJson = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
# Byte order on every database, so that a list has one order everywhere.
NameText = String(63).with_variant(String(63, collation="C"), "postgresql")


class ProfileRow(OfProjectOrShared, Base):
    """A name within its kind, and which revision it stands for."""

    __tablename__ = "profile"
    __table_args__ = (
        UniqueConstraint("kind", "name", "project"),
        Index(None, "project", "kind", "name"),
        CheckConstraint("kind IN ('device', 'model', 'channel', 'server', 'timing')", name="kind"),
        CheckConstraint("latest >= 1", name="latest"),
        # An omitted timing is looked up by what it describes.
        Index(None, "timing_model", "timing_processor", "timing_processor_kind"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(10))
    name: Mapped[str] = mapped_column(NameText)
    latest: Mapped[int]
    hidden: Mapped[bool] = mapped_column(default=False)
    timing_processor: Mapped[str | None] = mapped_column(String(63))
    timing_processor_kind: Mapped[str | None] = mapped_column(String(10))
    timing_model: Mapped[str | None] = mapped_column(String(63))


class RevisionRow(Base):
    """What a name stood for from `created_at` on."""

    __tablename__ = "profile_revision"
    __table_args__ = (
        UniqueConstraint("profile_id", "number"),
        CheckConstraint("number >= 1", name="number"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    profile_id: Mapped[int] = mapped_column(ForeignKey("profile.id"))
    number: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    body: Mapped[dict[str, Any]] = mapped_column(Json)
    stale: Mapped[dict[str, Any] | None] = mapped_column(NullableJson)
    """Of a timing: what refuted it in production. The numbers stay; whoever uses them is warned."""
