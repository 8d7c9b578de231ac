//! Calls about authorization codes.

use llm2api_proto::{
    ContractError,
    v1::{
        IntrospectCodeRequest, IntrospectCodeResponse,
        authorization_service_client::AuthorizationServiceClient,
    },
};

use super::{Caller, Core};

impl Core {
    /// Tells whether a code that the core issued is good.
    pub(crate) async fn introspect_code(
        &self,
        code: String,
        caller: &Caller,
    ) -> Result<IntrospectCodeResponse, ContractError> {
        let mut client = AuthorizationServiceClient::new(self.service.rpc.clone());
        let request = caller.request(IntrospectCodeRequest { code });
        self.in_time(client.introspect_code(request)).await
    }
}
