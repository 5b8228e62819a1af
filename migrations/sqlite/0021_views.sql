-- How people look at their usage: in which time zone, and at what again and again.

-- A name of the tz database; none was chosen: UTC.
ALTER TABLE users ADD COLUMN time_zone TEXT;

-- A page's state under a name, one's own or shared with the organization.
CREATE TABLE saved_views (
    id BLOB PRIMARY KEY,
    organization_id BLOB NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    owner_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    page TEXT NOT NULL CHECK (page IN ('usage')),
    name TEXT NOT NULL,
    query TEXT NOT NULL,
    shared INTEGER NOT NULL,
    created_at TEXT NOT NULL,
    CONSTRAINT saved_views_name UNIQUE (organization_id, owner_id, page, name)
) STRICT;

-- The view a page opens with, for each who chose one.
CREATE TABLE default_views (
    organization_id BLOB NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    page TEXT NOT NULL,
    view_id BLOB NOT NULL REFERENCES saved_views (id) ON DELETE CASCADE,
    PRIMARY KEY (organization_id, user_id, page)
) STRICT, WITHOUT ROWID;
CREATE INDEX default_views_by_view ON default_views (view_id);
