"""What JupyterLab may write: everything but the original pages, which `git pull` wants to find as they were."""

from typing import Any

from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager


class Contents(AsyncLargeFileManager):
    """The files as usual; the pages in notebooks/ and originals/ are read-only, and "save as" is offered for them."""

    async def get(self, path: str, *args: Any, **kwargs: Any) -> dict:
        model = await super().get(path, *args, **kwargs)
        folders = path.strip("/").split("/")[:-1]
        if folders[:1] == ["notebooks"] or folders[-1:] == ["originals"]:
            model["writable"] = False
        return model
