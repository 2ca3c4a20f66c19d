//! Everything that needs more than one folder of src, in one binary.

mod agent;
