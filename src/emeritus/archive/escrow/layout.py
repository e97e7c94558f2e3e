"""Where things lie in a bag; paths are within the payload, but for `KEY_PEM` and `README`."""

README = "README.txt"
KEY_PEM = "organisation-key.pem"
CHECK = "check.py"
INDEX = "escrow.json"
MANIFEST = "manifest.json"
MODEL_SIGNATURE, MODEL_KEY = "model.sig", "model.pub.pem"
"""In the folder of a model."""
FORMAT, VERSION = "emeritus-escrow", 1


def model_folder(model: str) -> str:
    """Return the folder of what is known of a model and of what it said."""
    return f"models/{model}"


def plain_folder(model: str) -> str:
    """Return the folder of a model's restored files."""
    return f"weights/{model}"


def essay_path(model: str, edition: int) -> str:
    """Return where the raw text of an edition lies."""
    return f"{model_folder(model)}/essays/edition-{edition:03}.txt"
