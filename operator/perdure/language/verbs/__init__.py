"""How each verb begins an attempt, and how a block goes on with its body: one file per verb."""
