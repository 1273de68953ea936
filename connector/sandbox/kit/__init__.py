"""What the three houses of the sandbox share: routes, refusals, faults, OAuth, instants, chance, serving."""
