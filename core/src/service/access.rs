//! `AccessService`: the gateway asks, [`Access`] decides.

use std::{net::IpAddr, sync::Arc};

use llm2api_proto::{
    ContractError,
    v1::{
        CheckAccessRequest, CheckAccessResponse, ErrorReason, access_service_server::AccessService,
    },
};
use tonic::{Request, Response, Status, async_trait};

use crate::{
    access::{
        Access, Caller,
        rules::{self, Right},
    },
    authorization::Authorization,
};

/// The service.
#[derive(Clone)]
pub(crate) struct AccessRpc {
    pub(crate) access: Arc<Access>,
    pub(crate) authorization: Arc<Authorization>,
}

#[async_trait]
impl AccessService for AccessRpc {
    async fn check_access(
        &self,
        request: Request<CheckAccessRequest>,
    ) -> Result<Response<CheckAccessResponse>, Status> {
        let CheckAccessRequest {
            key,
            client_address,
            address_untrusted,
            route,
        } = request.into_inner();
        let address: IpAddr = client_address.parse().map_err(|_| {
            ContractError::new(
                ErrorReason::InvalidValue,
                "`client_address` must be an IP address.",
            )
            .with_param("client_address")
        })?;
        let caller = Caller {
            key: Some(&key),
            address,
            is_address_untrusted: address_untrusted,
        };
        let right = rules::of_route(&route);
        let client = self.access.check(right, caller)?;
        if right == Right::Client {
            self.authorization.admit()?;
        }
        Ok(Response::new(CheckAccessResponse {
            client_id: client.id,
            admin: client.is_admin,
        }))
    }
}
