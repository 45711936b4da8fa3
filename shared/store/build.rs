//! A new migration is a reason to compile the store anew: the schema is carried in the binary.

fn main() {
    println!("cargo:rerun-if-changed=../../migrations");
}
