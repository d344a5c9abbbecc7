"""The terms that every ML schema starts with, by vocabulary: name and description."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["SEEDED_TERMS"]

SEEDED_TERMS: Mapping[str, Mapping[str, str]] = {
    "Asset_Type": {
        "Execution_Config": "File that configures an execution.",
        "Runtime_Env": "Description of the environment that an execution ran in.",
        "Hydra_Config": "Configuration as Hydra composed it.",
        "Deriva_Config": "Configuration of an execution as it was created.",
        "Metrics_File": "Measurements of a run, one JSON document a line.",
        "Execution_Metadata": "File that describes an execution.",
        "Execution_Asset": "File that an execution read or made.",
        "File": "File that is kept outside of the object store.",
        "Input_File": "File that an execution read.",
        "Output_File": "File that an execution made.",
        "Model_File": "Trained model.",
        "Notebook_Output": "Notebook as it was executed.",
    },
    "Asset_Role": {
        "Input": "The execution read the asset.",
        "Output": "The execution made the asset.",
    },
    "Dataset_Type": {
        "Complete": "Everything that belongs to a collection.",
        "File": "Files that are kept outside of the object store.",
        "Directory": "The files of one directory.",
        "Training": "Data to train a model with.",
        "Testing": "Data to test a trained model with.",
        "Validation": "Data to choose between models with.",
        "Split": "Holds the parts that a dataset was divided into.",
        "Split_Partition": "One part of a dataset that was divided.",
        "Subsample": "Some elements of a larger dataset.",
        "Labeled": "Its elements have labels.",
        "Unlabeled": "Its elements have no labels.",
    },
    "Workflow_Type": {
        "Training": "Trains a model.",
        "Testing": "Tests a trained model.",
        "Prediction": "Applies a trained model.",
        "Feature_Creation": "Computes values of features.",
        "Visualization": "Draws pictures of data or results.",
        "Analysis": "Analyses data or results.",
        "Analysis Notebook": "Analyses data or results in a notebook.",
        "Ingest": "Brings data into the catalog.",
        "Data_Cleaning": "Corrects data.",
        "Dataset_Management": "Makes and changes datasets.",
        "Dataset_Split": "Divides datasets into parts.",
    },
    "Execution_Status": {
        "Created": "The execution exists and has not started.",
        "Running": "The execution is under way.",
        "Stopped": "The execution ended; its outputs are not uploaded yet.",
        "Failed": "The execution ended with an error.",
        "Pending_Upload": "The outputs are being uploaded.",
        "Uploaded": "The outputs are in the catalog.",
        "Aborted": "The execution was given up.",
    },
    "Feature_Name": {},
}
