//! RabbitMQ: the only crate that knows lapin. A supervisor that survives any broker fault.
