from deriva_ml.execution import notebook_config

notebook_config(
    "comparison",
    defaults={"assets": "comparison_weights", "datasets": "training_data"},
)
