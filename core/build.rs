//! Compiles the core anew where a migration was added: the macro that takes them in notices changes of known files only.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
