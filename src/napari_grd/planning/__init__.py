"""How long a distillation takes and how much memory it needs, before it starts."""
