"""What measured times prove about times to come, without their law and without known moments."""
