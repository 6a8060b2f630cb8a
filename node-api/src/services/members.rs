//! The members of the cluster.

use axum::Json;
use axum::extract::State;

use api_types::{Member, Members};
use gossip::link::{MemberState, MemberStatus};
use gossip::{Incarnation, LinkDown};

use crate::services::refusals::Listing;
use crate::types::Types;

/// The members of the cluster
///
/// As this node sees them: two nodes that do not reach each other answer differently.
#[utoipa::path(
    get, path = "/members", tag = "members",
    responses((status = 200, description = "the members, sorted by name", body = Members), Listing)
)]
pub(crate) async fn members(State(types): State<Types>) -> Json<Members> {
    let members = types.cluster().members().into_iter();
    Json(Members { members: members.map(described).collect() })
}

fn described(member: MemberStatus) -> Member {
    let role = if member.is_controller { "dispatch" } else { "city" };
    let state = match member.state {
        MemberState::Up => "up",
        MemberState::Suspect => "suspect",
        MemberState::Down => "down",
    };
    let cause = member.cause.map(|cause| match cause {
        LinkDown::Refused => "the address refuses connections: the process has stopped",
        LinkDown::Lost => "the connection was closed or failed",
        LinkDown::TimedOut => "nothing was received in time",
    });
    Member {
        name: member.name.to_string(),
        role: role.to_owned(),
        state: state.to_owned(),
        incarnation: member.incarnation.map(Incarnation::number),
        since_ms: member.since.0,
        address: member.address,
        cause: cause.map(str::to_owned),
    }
}
