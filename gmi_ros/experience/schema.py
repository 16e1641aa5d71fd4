"""The store's tables, how older ones become these, and the check that a file is such a store."""

import sqlite3

from gmi_ros.core.errors import ErrorCode, GmiError

APPLICATION_ID = 0x474D4945  # "GMIE"
VERSION = 4

# What many records share is kept once: contexts (who judged what, with which software), names (reasons of failure and
# the templates of recipes), observations (several grasps of one image). Ids that can be derived are NULL.
TABLES = {
    "contexts": """(
        id INTEGER PRIMARY KEY,
        source TEXT NOT NULL, split TEXT NOT NULL, class_name TEXT NOT NULL, object_name TEXT NOT NULL,
        judged_by TEXT NOT NULL, model_hash TEXT NOT NULL, software_version TEXT NOT NULL, camera TEXT NOT NULL,
        UNIQUE (split, object_name, class_name, source, judged_by, model_hash, software_version, camera))""",
    "names": "(id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE)",
    # observation_id NULL: belongs to one episode and bears its outcome_id. template NULL: `data` are pixels.
    "observations": """(
        id INTEGER PRIMARY KEY,
        observation_id TEXT,
        template INTEGER REFERENCES names (id),
        data BLOB NOT NULL,
        stamp_ns INTEGER NOT NULL,
        camera_from_object BLOB NOT NULL,
        degenerate INTEGER NOT NULL)""",
    # outcome_id NULL: split/object_name/trial_seed[/view]. grasp_id NULL: the outcome_id. seed NULL: the trial_seed.
    # note NULL: empty. judged_ns, contacts_computed NULL: 0.
    # Seeds are unsigned 64-bit numbers in SQLite's signed ones.
    "episodes": """(
        id INTEGER PRIMARY KEY,
        outcome_id TEXT,
        grasp_id TEXT,
        context INTEGER NOT NULL REFERENCES contexts (id),
        observation INTEGER NOT NULL REFERENCES observations (id),
        trial_seed INTEGER NOT NULL,
        view INTEGER NOT NULL,
        seed INTEGER,
        success INTEGER NOT NULL,
        reason INTEGER NOT NULL REFERENCES names (id),
        height_lifted REAL,
        contacts_predicted BLOB, normals_predicted BLOB,
        contacts_reached BLOB, normals_reached BLOB,
        joints BLOB,
        camera_from_palm BLOB,
        hold_share REAL,
        note TEXT,
        judged_ns INTEGER,
        contacts_computed INTEGER,
        closing_turn REAL)""",
    # What was thought of an outcome before: every verdict that a later one has replaced. judged_ns 0: came with it.
    "verdicts": """(
        id INTEGER PRIMARY KEY,
        episode INTEGER NOT NULL REFERENCES episodes (id),
        success INTEGER NOT NULL,
        reason TEXT NOT NULL, judged_by TEXT NOT NULL, note TEXT NOT NULL,
        judged_ns INTEGER NOT NULL,
        UNIQUE (episode, success, reason, judged_by, note, judged_ns))""",
}
# A stamp stands behind its observation's image, which is long: lists take it from here.
STAMPS = "observation_stamps"
_STAMPS = f"CREATE INDEX {STAMPS} ON observations (id, stamp_ns)"
# From the version before, by the version that they lead to.
MIGRATIONS = {
    2: ("ALTER TABLE episodes ADD COLUMN hold_share REAL",),
    3: (
        "ALTER TABLE episodes ADD COLUMN note TEXT",
        "ALTER TABLE episodes ADD COLUMN judged_ns INTEGER",
        "ALTER TABLE episodes ADD COLUMN contacts_computed INTEGER",
        f"CREATE TABLE verdicts {TABLES['verdicts']}",
        _STAMPS,
    ),
    4: ("ALTER TABLE episodes ADD COLUMN closing_turn REAL",),
}
OLDEST = min(MIGRATIONS) - 1
_SINCE = {"verdicts": 3}  # version that brought a table

INDICES = (
    _STAMPS,
    "CREATE UNIQUE INDEX observation_ids ON observations (observation_id) WHERE observation_id IS NOT NULL",
    "CREATE UNIQUE INDEX outcome_ids ON episodes (outcome_id) WHERE outcome_id IS NOT NULL",
    "CREATE UNIQUE INDEX trials ON episodes (trial_seed, view, context) WHERE outcome_id IS NULL",
)


def create(database: sqlite3.Connection) -> None:
    """Make the tables in an empty file, all or none."""
    database.execute("BEGIN IMMEDIATE")
    for name, columns in TABLES.items():
        database.execute(f"CREATE TABLE {name} {columns}")
    for statement in INDICES:
        database.execute(statement)
    database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    database.execute(f"PRAGMA user_version = {VERSION}")
    database.execute("COMMIT")


def migrate(database: sqlite3.Connection) -> int:
    """Bring a store that `check` found in order to VERSION, in one transaction; returns VERSION."""
    database.execute("BEGIN IMMEDIATE")
    for version in range(_version(database) + 1, VERSION + 1):
        for statement in MIGRATIONS[version]:
            database.execute(statement)
    database.execute(f"PRAGMA user_version = {VERSION}")
    database.execute("COMMIT")
    return VERSION


def _version(database: sqlite3.Connection) -> int:
    return database.execute("PRAGMA user_version").fetchone()[0]


def is_empty(database: sqlite3.Connection) -> bool:
    """Whether nothing has been made in this file yet."""
    return not database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]


def check(database: sqlite3.Connection, path) -> int:
    """See that this is a store of a version that we read, with all its tables; returns the version.

    Raises:
        GmiError: STORE_CORRUPT saying what the file is instead.
    """
    application = database.execute("PRAGMA application_id").fetchone()[0]
    if application != APPLICATION_ID:
        raise GmiError(
            ErrorCode.STORE_CORRUPT,
            f"{path} is a database of another program (application id {application:#x}, ours is {APPLICATION_ID:#x})",
        )
    version = _version(database)
    if not OLDEST <= version <= VERSION:
        advice = "update gmi_ros to read it" if version > VERSION else "no release of gmi_ros made such a store"
        raise GmiError(
            ErrorCode.STORE_CORRUPT,
            f"{path} has store version {version}, this gmi_ros reads versions {OLDEST} to {VERSION}: {advice}",
        )
    present = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    missing = [name for name in TABLES if name not in present and _SINCE.get(name, OLDEST) <= version]
    if missing:
        raise GmiError(ErrorCode.STORE_CORRUPT, f"{path} lacks the table {', '.join(missing)}")
    return version
