-- The two source tables. Run by their owner; repeating it changes nothing.
SET client_min_messages = warning;

CREATE TABLE IF NOT EXISTS content (
	id             uuid PRIMARY KEY,
	slug           text UNIQUE NOT NULL,
	title          text NOT NULL,
	content_type   text NOT NULL,
	length_seconds integer,
	publish_ts     timestamptz NOT NULL
);

CREATE TABLE IF NOT EXISTS engagement_events (
	id          bigserial PRIMARY KEY,
	content_id  uuid REFERENCES content (id),
	user_id     uuid,
	event_type  text NOT NULL,
	event_ts    timestamptz NOT NULL,
	duration_ms integer,
	device      text,
	raw_payload jsonb
);

CREATE INDEX IF NOT EXISTS content_content_type_idx ON content (content_type);
CREATE INDEX IF NOT EXISTS content_publish_ts_idx ON content (publish_ts);
CREATE INDEX IF NOT EXISTS engagement_events_content_id_event_ts_idx ON engagement_events (content_id, event_ts);
CREATE INDEX IF NOT EXISTS engagement_events_user_id_idx ON engagement_events (user_id);
CREATE INDEX IF NOT EXISTS engagement_events_event_type_idx ON engagement_events (event_type);
CREATE INDEX IF NOT EXISTS engagement_events_event_ts_idx ON engagement_events (event_ts);

-- A delete then carries the whole old row, so that it reaches the document of the right day.
ALTER TABLE engagement_events REPLICA IDENTITY FULL;
ALTER TABLE content REPLICA IDENTITY FULL;
