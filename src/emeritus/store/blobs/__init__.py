"""Where the archive's blobs lie: a folder, or an object store (S3, Google Cloud Storage, Azure).

The folder adapter is our own: obstore's ``LocalStore`` renames into place but never syncs, so that a
power cut can lose what it acknowledged. Object stores go through obstore.
"""

from emeritus.store.blobs.address import open_blobs
from emeritus.store.blobs.folder import FolderBlobs
from emeritus.store.blobs.object_store import ObjectStoreBlobs

__all__ = ["FolderBlobs", "ObjectStoreBlobs", "open_blobs"]
