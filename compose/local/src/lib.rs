//! The local stack without Docker: private PostgreSQL, RabbitMQ and staging, and the supervisor of every process.
