"""Answers of the service for people: tables, units they read, and what to do next."""

from client.present.experiments import EXPERIMENTS, experiment
from client.present.plans import PLANS, estimate, plan, users
from client.present.progress import Bar
from client.present.quantities import WIDTH, console, enough, number, share, si
from client.present.repairs import repairs
from client.present.reports import (
    estimated,
    evidence,
    explanation,
    measurement,
    model,
    power,
    sentences,
    validation,
)
from client.present.tables import Columns, table, warn
from client.present.users import INFEASIBLE_USERS, USERS

__all__ = [
    "EXPERIMENTS",
    "INFEASIBLE_USERS",
    "PLANS",
    "USERS",
    "WIDTH",
    "Bar",
    "Columns",
    "console",
    "enough",
    "estimate",
    "estimated",
    "evidence",
    "experiment",
    "explanation",
    "measurement",
    "model",
    "number",
    "plan",
    "power",
    "repairs",
    "sentences",
    "share",
    "si",
    "table",
    "users",
    "validation",
    "warn",
]
