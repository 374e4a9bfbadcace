"""The least cost of all options at a rate, and the cost of what a table names there."""

import numpy as np

from solvers.arrays import Floats
from solvers.multiuser.table import DecisionTable, TableProblem


def least_option_cost(problem: TableProblem, rate: Floats) -> Floats:
    """Least cost over the options that keep the limits at each rate."""
    sent = problem.crossing_bit[:, None] / rate
    latency = problem.device_s[:, None] + problem.server_s[:, None] + sent
    latency += problem.network_s * (problem.crossing_bit[:, None] > 0)
    if problem.result_s is not None:
        latency += problem.result_s[:, None]
    cost = problem.latency_weight_per_s * latency + problem.loss_weight * problem.loss[:, None]
    fits = (latency <= problem.deadline_s) & (problem.loss[:, None] <= problem.max_loss)
    return np.where(fits, cost, np.inf).min(axis=0)


def table_cost(problem: TableProblem, table: DecisionTable, rate: Floats) -> Floats:
    """Cost of what a table names at each rate; infinite where it names nothing."""
    option = table.look_up(rate)
    return np.where(option >= 0, problem.cost(np.maximum(option, 0), rate), np.inf)
