"""The planted faults: file, source text (its line breaks aside), replacement.

One entry per formula and kind of slip.
"""

MOMENTS, BUDGET = "solvers/moments.py", "solvers/robust/budget.py"
ENERGIES, CANDIDATES = "solvers/robust/solve/energies.py", "solvers/robust/solve/candidates.py"
SPENDING, RATES = "solvers/robust/solve/spending.py", "solvers/robust/solve/rates.py"
PHYSICS, SERVED = "solvers/physics.py", "solvers/robust/solve/servers/served.py"
SERVER_TREE = "solvers/robust/solve/servers/tree.py"
DUAL, FLEET = "solvers/robust/solve/dual.py", "solvers/multiuser/solve/fleet.py"
COSTS, OPTIONS = "solvers/multiuser/costs.py", "solvers/multiuser/solve/undominated.py"
STOP, FADING = "solvers/stopping/solve/costs.py", "solvers/stopping/fading.py"
ASKED, LOOKS = "solvers/stopping/problem.py", "solvers/stopping/solve/inverse_rate.py"

FAULTS: tuple[tuple[str, str, str], ...] = (
    (MOMENTS, "np.sqrt((1.0 - risk) / risk)", "0.5 * np.sqrt((1.0 - risk) / risk)"),
    (MOMENTS, "np.sqrt((1.0 - risk) / risk)", "np.sqrt(1.0 / (1.0 - risk))"),
    (MOMENTS, "np.asarray(-special.ndtri(risk))", "np.asarray(-special.ndtri(2.0 * risk))"),
    (MOMENTS, "2.0 * correlation * np.sqrt", "1.0 * correlation * np.sqrt"),
    (MOMENTS, "2.0 * correlation * np.sqrt", "-2.0 * correlation * np.sqrt"),
    (MOMENTS, "variance + server + network +", "variance + network +"),
    (MOMENTS, "variance + server + network +", "variance + server +"),
    (BUDGET, "work.device_variance_s2[row],", "work.device_variance_s2[row - 1],"),
    (BUDGET, "[user] * np.sqrt(variance)", "[user] * variance"),
    (BUDGET, "work.overhead_s[row] + network_s + work", "work.overhead_s[row] + work"),
    (BUDGET, "network_s + work.server_mean_s[row]", "network_s"),
    (BUDGET, "fixed = work.overhead_s[row] +", "fixed ="),
    (
        ENERGIES,
        "self.tau_unit_s * s / self._carried(np.log1p(s))",
        "self.tau_unit_s * s / self._carried(np.log2(1.0 + s))",
    ),
    (ENERGIES, "cycling = self.kappa * clock**2", "cycling = 0.5 * self.kappa * clock**2"),
    (ENERGIES, "cycling = self.kappa * clock**2", "cycling = self.kappa * clock**3"),
    (
        ENERGIES,
        "cycling * (self.cycles + self.overhead_s * clock) +",
        "cycling * (0.5 * self.cycles + self.overhead_s * clock) +",
    ),
    (ENERGIES, "cycling * (self.cycles + self.overhead_s * clock) +", "cycling * (self.cycles) +"),
    (CANDIDATES, "(_LN2 / law.efficiency)", "(1.0 / law.efficiency)"),
    (CANDIDATES, "* problem.gain[user] /", "* problem.gain[user] * 2.0 /"),
    (
        CANDIDATES,
        "work.cycles[row] / work.clock_max_hz[row]",
        "work.cycles[row] / work.clock_min_hz[row]",
    ),
    (FLEET, "np.sqrt(self.weight * problem.latency_weight_per_s)", "np.sqrt(self.weight)"),
    (OPTIONS, "problem.loss_weight * work.loss[row]", "0.0 * work.loss[row]"),
    (
        FLEET,
        "1.0 / np.sqrt(problem.bandwidth_hz * problem",
        "2.0 / np.sqrt(problem.bandwidth_hz * problem",
    ),
    (
        COSTS,
        "problem.latency_weight_per_s * latency(",
        "0.9 * problem.latency_weight_per_s * latency(",
    ),
    (COSTS, "problem.weight * (total +", "(total +"),
    (COSTS, "decision.bandwidth_share * problem.bandwidth_hz *", "problem.bandwidth_hz *"),
    (COSTS, "np.where(crossing > 0.0, problem.network_s, 0.0)", "np.zeros_like(crossing)"),
    (COSTS, "device_s=work.device_s[row],", "device_s=work.device_s[row - 1],"),
    (
        COSTS,
        "server_s=transfer_s(work.server_s[row], decision.server_share)",
        "server_s=work.server_s[row]",
    ),
    (STOP, "by_time * work.device_s[rows] +", ""),
    (STOP, "by_time * work.device_s[rows] +", "2.0 * by_time * work.device_s[rows] +"),
    (STOP, "by_time + by_energy * sending_w", "by_time + 0.0 * sending_w"),
    (STOP, "by_energy * sending_w", "by_energy * problem.idle_power_w[users]"),
    (
        STOP,
        "by_time + by_energy * problem.idle_power_w[users]",
        "by_energy * problem.idle_power_w[users]",
    ),
    (
        STOP,
        "by_time + by_energy * problem.idle_power_w[users]",
        "by_time - by_energy * problem.idle_power_w[users]",
    ),
    (ASKED, "[self.workloads.cuts(workload)] / self.inferences", "[self.workloads.cuts(workload)]"),
    (ASKED, "self.energy_per_j * self.rx_power_w[users]", "self.energy_per_j"),
    (
        LOOKS,
        "min_snr > 0.0\n        self.scale = LN2 / bandwidth_hz",
        "min_snr > 0.0\n        self.scale = 1.0 / bandwidth_hz",
    ),
    (FADING, "return np.exp(log_gain - np.exp(log_gain))", "return np.exp(-np.exp(log_gain))"),
    (FADING, "return np.asarray(np.exp(-gain))", "return np.asarray(np.exp(-2.0 * gain))"),
    (DUAL, "bound = best - paid -", "bound = best - 0.5 * paid -"),
    (
        FLEET,
        "bound = total * (1.0 - ROUNDING) - paid",
        "bound = total * (1.0 - ROUNDING) - 0.9 * paid",
    ),
    # Power: static, of any exponent, measured, and of the whole device while it waits.
    (ENERGIES, "power = self.static_w + self.kappa", "power = self.kappa"),
    (ENERGIES, "clock**self.exponent energy", "clock**3.0\n        energy"),
    (ENERGIES, "* (self.cycles / clock + self.overhead_s) +", "* (self.cycles / clock) +"),
    (ENERGIES, "rising = (alpha - 1.0) +", "rising = alpha +"),
    (ENERGIES, "* rising - self.static_w, 0.0", "* rising, 0.0"),
    (PHYSICS, "np.log(power_exponent * power_coefficient *", "np.log(power_coefficient *"),
    (PHYSICS, "np.log((power_exponent - 1.0) * power_coefficient)", "np.log(power_coefficient)"),
    (SPENDING, "np.minimum(cheapest, clock_max)", "np.minimum(0.5 * cheapest, clock_max)"),
    (SPENDING, "work.fixed_energy_j[row] +", ""),
    (SPENDING, "static = work.static_power_w[row] + standby", "static = work.static_power_w[row]"),
    (SPENDING, '(columns["radio_w"] + standby) * weight', 'columns["radio_w"] * weight'),
    (
        SPENDING,
        "+ standby * (budget.network_s + work.server_mean_s[row])",
        "+ standby * budget.network_s",
    ),
    # What the radio draws and sends: bits expected for the energy, most of them for the deadline.
    (SPENDING, "* work.crossing_bit[row]", "* work.crossing_most_bit[row]"),
    (SPENDING, 'columns["radio_w"] = columns["radio_w"] * part', "pass"),
    (SPENDING, "is None else problem.radio_power_w", "is None else problem.tx_power_w"),
    (CANDIDATES, "crossing_most_bit[row] * (_LN2", "crossing_bit[row] * (_LN2"),
    (BUDGET, "work.result_bit[row] / problem.downlink_bps", "0.0"),
    (
        BUDGET,
        "workloads.loss[self.row] > problem.max_loss",
        "workloads.loss[self.row] > 2.0 * problem.max_loss",
    ),
    # Rate laws.
    (CANDIDATES, "problem.noise_w_per_hz * law.snr_gap", "problem.noise_w_per_hz / law.snr_gap"),
    (CANDIDATES, "(_LN2 / law.efficiency)", "(_LN2 * law.efficiency)"),
    (CANDIDATES, "law.max_bps_per_hz * _LN2 / law.efficiency", "law.max_bps_per_hz * _LN2"),
    (ENERGIES, "np.minimum(log1p, self.cap) if self.capped else log1p", "log1p"),
    (RATES, "capped = np.log(stretch) + np.log(cap)", "capped = np.log(stretch)"),
    # Streams and servers.
    (SPENDING, '(columns["radio_w"] + standby) * weight', '(columns["radio_w"] + standby)'),
    (SPENDING, 'columns["kappa"] * weight', 'columns["kappa"]'),
    (
        BUDGET,
        "cycles_s=period - work.overhead_s[row] - margin",
        "cycles_s=period - work.overhead_s[row]",
    ),
    (
        BUDGET,
        "factor * np.sqrt(work.device_variance_s2[row])",
        "factor * work.device_variance_s2[row]",
    ),
    (
        BUDGET,
        "margin = work.device_excess_s[row] else: factor",
        "margin = 0.0 * work.device_excess_s[row]\n        else:\n            factor",
    ),
    (CANDIDATES, "np.minimum(tau_most, budget.stages.period_s)", "tau_most"),
    (CANDIDATES, "problem.rate_hz[user][:, None] * load", "load"),
    (
        SERVED,
        "energy_j + self.load_s @ server_prices",
        "energy_j + 2.0 * self.load_s @ server_prices",
    ),
    (
        SERVED,
        "+ float(server_prices @ self.capacity_s)",
        "+ 0.5 * float(server_prices @ self.capacity_s)",
    ),
    (
        SERVED,
        "self.used(choice) <= self.capacity_s * FULL",
        "self.used(choice) <= 1.05 * self.capacity_s * FULL",
    ),
    (
        SERVER_TREE,
        "(used_s - self.capacity_s) @ self.server_prices.T",
        "used_s @ self.server_prices.T",
    ),
    (
        SERVER_TREE,
        "relaxation.bandwidth_hz + own @ relaxation.capacity_s",
        "relaxation.bandwidth_hz",
    ),
)
