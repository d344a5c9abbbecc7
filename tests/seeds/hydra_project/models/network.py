"""A model that follows the protocol: its settings first, then what the run is."""

from deriva_ml import DerivaML, ExecAssetType, MLAsset
from deriva_ml.execution import Execution


def train_network(
    learning_rate: float,
    epochs: int,
    batch_size: int,
    ml_instance: DerivaML,
    execution: Execution | None = None,
) -> None:
    for table, files in execution.asset_paths.items():
        print("from", table, *(file.read_text() for file in files))
    for spec in execution.datasets:
        pictures = execution.download_dataset_bag(spec).list_dataset_members()["Image"]
        print("on", len(pictures), "pictures")
    print("with", learning_rate, epochs, batch_size)
    weights = execution.asset_file_path(
        MLAsset.execution_asset, "trained_model.pt", ExecAssetType.output_file
    )
    weights.write_text(f"{learning_rate} {epochs} {batch_size}")
