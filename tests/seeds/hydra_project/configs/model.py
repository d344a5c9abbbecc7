from hydra_zen import builds, store
from models.network import train_network

Network = builds(
    train_network,
    learning_rate=1e-3,
    epochs=10,
    batch_size=32,
    populate_full_signature=True,
    zen_partial=True,
)

model_store = store(group="model_config")
model_store(Network, name="default")
model_store(Network, name="fast_training", epochs=5, learning_rate=1e-2)
model_store(Network, name="long_training", epochs=100, learning_rate=1e-4)
model_store(Network, name="large_batch", batch_size=128, epochs=50)
