//! Every method of a pool on a cluster: the program that the other kinds of pool run as well.

use pool_cluster::ClusterPool;

mod common;

#[path = "../../pool-core/tests/programs/methods.rs"]
mod methods;

#[test]
fn a_cluster_has_every_method() -> Result<(), Box<dyn std::error::Error>> {
    if !common::has_server() {
        return Ok(());
    }
    methods::every_method(|| ClusterPool::local(2))
}
