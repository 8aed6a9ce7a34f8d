"""Clone, fetch and push with dulwich: `dulwich-client.py clone|fetch|push URL FOLDER [USER PASSWORD]`."""
import sys
from dulwich import porcelain
from dulwich.repo import Repo

action, url, folder = sys.argv[1:4]
login = dict(zip(("username", "password"), sys.argv[4:6]))
quiet = open("/dev/null", "wb")
if action == "clone":
    porcelain.clone(url, folder, errstream=quiet, **login)
elif action == "fetch":
    with Repo(folder) as repo:
        result = porcelain.fetch(repo, url, errstream=quiet, outstream=open("/dev/null", "w"), **login)
        repo.refs[b"refs/heads/fetched"] = result.refs[b"refs/heads/main"]
elif action == "push":
    porcelain.push(folder, url, [b"HEAD:refs/heads/from-dulwich"], errstream=quiet, outstream=quiet, **login)
