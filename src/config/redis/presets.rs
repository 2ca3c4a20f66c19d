//! The keys of common frameworks.

use super::rules::RedisRole::{self, Cache, Mixed, Queue, Session};

/// The keys that frameworks make where nothing else is configured. What is counted or locked comes before what is cached.
pub(super) const PRESETS: [(&str, &[(&str, RedisRole)]); 9] = [
    // `KEY_PREFIX:VERSION:key`, with an empty prefix and version 1.
    (
        "django",
        &[
            (":1:template.cache.*", Cache),
            (":1:views.decorators.cache.*", Cache),
            ("*django.contrib.sessions.c*", Session),
            // Of django-ratelimit and allauth, and of the REST framework.
            ("*:rl:*", Mixed),
            ("*:throttle_*", Mixed),
            ("*lock*", Mixed),
            (":1:*", Cache),
        ],
    ),
    // What an app calls its own things has no beginning: those are for the guard's own role.
    (
        "rails",
        &[
            ("views/*", Cache),
            ("rack::attack*", Mixed),
            ("rate-limit:*", Mixed),
            ("*session*", Session),
            // One of a store without a namespace: the version of its id and a digest.
            ("*2::????????????????????????????????????????????????????????????????", Session),
            ("*lock*", Mixed),
        ],
    ),
    // `laravel_database_laravel_cache:key`, later `.._cache_:key`, `.._cache_key` and `..-cache-key`, by the name of the app.
    (
        "laravel",
        &[
            ("*queues:*", Queue),
            ("*horizon:*", Queue),
            // Workers end where they miss it, and a job misses what it is.
            ("*illuminate:queue*", Queue),
            ("*laravel:sqs-payloads:*", Queue),
            ("*illuminate:foundation:*", Mixed),
            ("*illuminate:schedule:*", Mixed),
            ("*laravel_unique_job:*", Mixed),
            ("*laravel_debounced_job:*", Mixed),
            ("*laravel-queue-overlap:*", Mixed),
            ("*laravel_throttles_exceptions:*", Mixed),
            ("*framework/schedule-*", Mixed),
            ("*framework/command-*", Mixed),
            ("*:timer", Mixed),
            ("*lock*", Mixed),
            ("*session*", Session),
            // The id of a session is all of its name, as a digest is that of a limit.
            ("*cache?????????????????????????????????????????", Session),
            ("*cache??????????????????????????????????????????", Session),
            ("*cache?????????????????????????????????", Mixed),
            ("*cache??????????????????????????????????", Mixed),
            ("*_cache:*", Cache),
            ("*_cache_*", Cache),
            ("*-cache-*", Cache),
        ],
    ),
    (
        "celery",
        &[
            ("celery*", Queue),
            ("_kombu.*", Queue),
            ("unacked*", Queue),
            // Of replies, and of priorities: those have a number behind a separator that nobody types.
            ("*.pidbox", Queue),
            ("*\u{6}\u{16}*", Queue),
        ],
    ),
    ("rq", &[("rq:*", Queue)]),
    ("bullmq", &[("bull:*", Queue)]),
    // What a process says of itself is in `HOST:PID:NONCE`, which could be anybody's: it is for the guard's own role.
    (
        "sidekiq",
        &[
            ("queue:*", Queue),
            ("queues", Queue),
            ("paused", Queue),
            ("schedule", Queue),
            ("retry", Queue),
            ("dead", Queue),
            ("processes", Queue),
            ("process_cleanup", Queue),
            ("*:*:????????????:work", Queue),
            ("*:*:????????????:workers", Queue),
            ("*:*:????????????-signals", Queue),
            ("stat:*", Queue),
            // Of jobs that go on where they were, and what the dashboard shows.
            ("it-*", Queue),
            ("j|*", Queue),
            ("h|*", Queue),
            ("profiles", Queue),
        ],
    ),
    ("resque", &[("resque:*", Queue)]),
    // Of a cache by its name, unless its manager was told otherwise.
    ("spring", &[("spring:session:*", Session), ("*~lock", Mixed), ("*::*", Cache)]),
];
