"""Clone, fetch and push with libgit2: `pygit2-client.py clone|fetch|push URL FOLDER [USER PASSWORD]`."""
import sys
import pygit2

action, url, folder = sys.argv[1:4]


class Callbacks(pygit2.RemoteCallbacks):
    def credentials(self, url, username_from_url, allowed_types):
        return pygit2.UserPass(*sys.argv[4:6])

    def push_update_reference(self, refname, message):
        if message is not None:
            raise RuntimeError(f"{refname}: {message}")


if action == "clone":
    pygit2.clone_repository(url, folder, callbacks=Callbacks())
elif action == "fetch":
    repo = pygit2.Repository(folder)
    repo.remotes.create("there", url).fetch(["refs/heads/main:refs/heads/fetched"], callbacks=Callbacks())
elif action == "push":
    repo = pygit2.Repository(folder)
    branch = repo.head.name
    repo.remotes["there"].push([f"{branch}:refs/heads/from-pygit2"], callbacks=Callbacks())
