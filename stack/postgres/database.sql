-- The pipeline's role and database. Run by the administrator; repeating it changes nothing.
-- REPLICATION: Debezium reads the log as this user. It owns the database, so it may make the publication.
SET client_min_messages = warning;
SELECT format('CREATE ROLE %I LOGIN REPLICATION', :'user')
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'user') \gexec
ALTER ROLE :"user" LOGIN REPLICATION PASSWORD :'password';
SELECT format('CREATE DATABASE %I OWNER %I', :'database', :'user')
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'database') \gexec
