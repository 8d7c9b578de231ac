//! What must survive: credentials, upstreams that somebody added, model lists, and conversations that are still to be deleted.

mod records;
