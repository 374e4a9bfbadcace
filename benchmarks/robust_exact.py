"""What plans claim of tight cells, against arithmetic of 50 digits; prices, against differences of
energies.

A tight cell's uplink exceeds its least shares by 1e-12 to 1e-2. No bound may lie above the plan
found in 50 digits, and nothing may be called optimal that is not. A price lies between the
differences to either side, where the cuts stay.
"""

import numpy as np

from tests.support.robust.exact import faults_of, tight_cell
from tests.support.robust.prices import price_error, priced_cell


def claims(cells: int) -> None:
    """Print how many tight cells are proven, and every claim that does not hold."""
    statuses: dict[str, int] = {}
    wrong, seed = 0, 0
    while sum(statuses.values()) < cells:
        problem = tight_cell(seed)
        if problem is not None:
            status, faults = faults_of(problem)
            statuses[status] = statuses.get(status, 0) + 1
            wrong += len(faults)
            for fault in faults:
                print(f"cell {seed}: {fault}")
        seed += 1
    print(f"tight cells: {statuses}, claims that do not hold: {wrong}")


def prices(cells: int) -> None:
    """Print how far prices are from the differences of energies, in parts of the price."""
    errors: list[float] = []
    corners, seed = 0, 0
    while len(errors) < cells:
        found = price_error(priced_cell(seed))
        if found is not None:
            error, corner = found
            errors.append(error)
            corners += corner
            if error > 1e-4:
                print(f"cell {seed}: {error:.1e} off")
        seed += 1
    print(
        f"prices: {cells} cells, {corners} of them at a corner; largest error {np.max(errors):.1e}"
    )


def main() -> None:
    """Both."""
    claims(1_000)
    prices(500)


if __name__ == "__main__":
    main()
