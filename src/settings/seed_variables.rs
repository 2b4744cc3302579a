//! The variables of the five seed systems, and what they mean here (contract, "Environment").

/// How a variable's text becomes a setting's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// As it is.
    Text,
    /// A port: it replaces that of the address.
    Port,
    /// A list of which only one item can be meant.
    OnlyItem,
}

/// A variable and the setting it gives.
#[derive(Debug, Clone, Copy)]
pub struct SeedVariable {
    /// Its name.
    pub name: &'static str,
    /// The setting.
    pub key: &'static str,
    /// How its text is read.
    pub reading: Reading,
}

const fn text(name: &'static str, key: &'static str) -> SeedVariable {
    SeedVariable { name, key, reading: Reading::Text }
}

const fn port(name: &'static str) -> SeedVariable {
    SeedVariable { name, key: "http.listen", reading: Reading::Port }
}

/// Every variable that gives a setting; a bare number of a duration is seconds, as the seeds have
/// it.
pub const SEED_VARIABLES: &[SeedVariable] = &[
    port("PORT"),
    port("HTTP_PORT"),
    port("SERVER_PORT"),
    text("SERVER_READ_TIMEOUT", "http.body_timeout"),
    text("SERVER_WRITE_TIMEOUT", "http.write_timeout"),
    text("KAFKA_BROKERS", "kafka.brokers"),
    text("KAFKA_TOPIC", "topics.raw"),
    text("KAFKA_INPUT_TOPIC", "topics.raw"),
    text("KAFKA_OUTPUT_TOPIC", "topics.processed"),
    SeedVariable { name: "KAFKA_TOPICS", key: "topics.processed", reading: Reading::OnlyItem },
    text("KAFKA_DLQ_TOPIC", "topics.raw_dlq"),
    text("KAFKA_GROUP_ID", "groups.worker"),
    text("KAFKA_CONSUMER_GROUP", "groups.worker"),
    text("DEDUP_TTL_SEC", "processor.dedup_ttl"),
    text("IP_RATE_LIMIT_PER_MIN", "processor.ip_rate_limit_per_min"),
    text("RATE_LIMIT_RPS", "collector.rate_limit_rps"),
    text("RATE_LIMIT_BURST", "collector.rate_limit_burst"),
    text("WORKER_COUNT", "worker.count"),
    text("WORKER_BATCH_SIZE", "worker.batch_size"),
    text("WORKER_BATCH_TIMEOUT", "worker.batch_timeout"),
    text("MAX_RETRY_ATTEMPTS", "retry.max_attempts"),
    text("ARCHIVE_BATCH_SIZE", "archive.flush_events"),
    text("ARCHIVE_FLUSH_INTERVAL_SEC", "archive.flush_interval"),
    text("REDIS_ADDR", "redis.addr"),
    text("DB_URL", "postgres.url"),
    text("MINIO_ENDPOINT", "s3.endpoint"),
    text("MINIO_ACCESS_KEY", "s3.access_key"),
    text("MINIO_SECRET_KEY", "s3.secret_key"),
    text("MINIO_BUCKET", "s3.bucket"),
    text("MINIO_USE_SSL", "s3.tls"),
    text("MINIO_REGION", "s3.region"),
    text("AWS_ENDPOINT_URL", "s3.endpoint"),
    text("AWS_ENDPOINT_URL_S3", "s3.endpoint"),
    text("AWS_ACCESS_KEY_ID", "s3.access_key"),
    text("AWS_SECRET_ACCESS_KEY", "s3.secret_key"),
    text("AWS_SESSION_TOKEN", "s3.session_token"),
    text("AWS_REGION", "s3.region"),
    text("AWS_DEFAULT_REGION", "s3.region"),
    text("LOG_LEVEL", "telemetry.log_level"),
];

/// Variables of the seeds that this version reads nothing from: they name servers that embedded
/// mode does without, or parts that it does not have. They are mentioned, not refused, because the
/// same environment works elsewhere.
pub const WITHOUT_EFFECT: &[&str] = &[
    "CLICKHOUSE_HOST",
    "CLICKHOUSE_PORT",
    "CLICKHOUSE_DATABASE",
    "CLICKHOUSE_USERNAME",
    "CLICKHOUSE_PASSWORD",
    "WORKER_POOL_SIZE",
    "QUEUE_SIZE",
    "SERVER_ADDRESS",
];
