"""The planted faults: file, source text (its line breaks aside), replacement.

One entry per formula and kind of slip.
"""

MOMENTS, BUDGET = "solvers/moments.py", "solvers/robust/budget.py"
CURVES, CANDIDATES = "solvers/robust/solve/curves.py", "solvers/robust/solve/candidates.py"
DUAL, FLEET = "solvers/robust/solve/dual.py", "solvers/multiuser/solve/fleet.py"
COSTS, OPTIONS = "solvers/multiuser/costs.py", "solvers/multiuser/solve/undominated.py"
STOP, FADING = "solvers/stopping/solve/costs.py", "solvers/stopping/fading.py"
ASKED, LOOKS = "solvers/stopping/problem.py", "solvers/stopping/solve/inverse_rate.py"

FAULTS: tuple[tuple[str, str, str], ...] = (
    (MOMENTS, "np.sqrt((1.0 - risk) / risk)", "0.5 * np.sqrt((1.0 - risk) / risk)"),
    (MOMENTS, "np.sqrt((1.0 - risk) / risk)", "np.sqrt(1.0 / (1.0 - risk))"),
    (MOMENTS, "np.asarray(-ndtri(risk))", "np.asarray(-ndtri(2.0 * risk))"),
    (MOMENTS, "2.0 * correlation * np.sqrt", "1.0 * correlation * np.sqrt"),
    (MOMENTS, "2.0 * correlation * np.sqrt", "-2.0 * correlation * np.sqrt"),
    (MOMENTS, "variance + server + network +", "variance + network +"),
    (MOMENTS, "variance + server + network +", "variance + server +"),
    (BUDGET, "work.device_variance_s2[row],", "work.device_variance_s2[row - 1],"),
    (BUDGET, "[user] * np.sqrt(variance)", "[user] * variance"),
    (BUDGET, "work.overhead_s[row] + network_s + work", "work.overhead_s[row] + work"),
    (BUDGET, "network_s + work.server_mean_s[row]", "network_s"),
    (BUDGET, "fixed = work.overhead_s[row] +", "fixed ="),
    (CURVES, "self.tau_unit_s * s / np.log1p(s)", "self.tau_unit_s * s / np.log2(1.0 + s)"),
    (CURVES, "cycling = self.kappa * clock**2", "cycling = 0.5 * self.kappa * clock**2"),
    (CURVES, "cycling = self.kappa * clock**2", "cycling = self.kappa * clock**3"),
    (
        CURVES,
        "return (self.kappa * clock**2 * (self.cycles +",
        "return (self.kappa * clock**2 * (0.5 * self.cycles +",
    ),
    (CURVES, "cycling * (self.cycles + self.overhead_s * clock) +", "cycling * (self.cycles) +"),
    (CANDIDATES, "_LN2 / scale", "1.0 / scale"),
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
    (STOP, "by_time + by_energy * problem.tx_power_w[users]", "by_time"),
    (STOP, "by_energy * problem.tx_power_w[users]", "by_energy * problem.idle_power_w[users]"),
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
)
