//! Why a choice ended, in OpenAI's words, whatever the upstream's are (openai-contract §4.1).

use llm2api_proto::v1::FinishReason;

/// The upstream itself broke the choice off.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BrokenOff;

/// Understands a finish reason. One that is not known means that the model was done.
///
/// # Errors
///
/// [`BrokenOff`] where the reason is that the upstream failed.
pub(super) fn finish_reason(reason: &str) -> Result<FinishReason, BrokenOff> {
    Ok(match reason.to_ascii_lowercase().as_str() {
        "length"
        | "max_tokens"
        | "max_output_tokens"
        | "model_context_window_exceeded"
        | "model_length" => FinishReason::Length,
        "tool_calls" | "tool_call" | "tool_use" => FinishReason::ToolCalls,
        "content_filter"
        | "content_filtered"
        | "refusal"
        | "safety"
        | "recitation"
        | "blocklist"
        | "prohibited_content"
        | "spii"
        | "sensitive"
        | "guardrail_intervened" => FinishReason::ContentFilter,
        "function_call" => FinishReason::FunctionCall,
        // OpenRouter; vLLM and SGLang; DeepSeek; Zhipu.
        "error" | "abort" | "insufficient_system_resource" | "network_error" => {
            return Err(BrokenOff);
        }
        _ => FinishReason::Stop,
    })
}

#[cfg(test)]
mod tests {
    use llm2api_proto::v1::FinishReason;

    use super::{BrokenOff, finish_reason};

    #[test]
    fn reasons_are_put_in_openai_s_words() {
        let table = [
            ("stop", Ok(FinishReason::Stop)),
            ("end_turn", Ok(FinishReason::Stop)),
            ("stop_sequence", Ok(FinishReason::Stop)),
            ("eos", Ok(FinishReason::Stop)),
            ("STOP", Ok(FinishReason::Stop)),
            ("what else", Ok(FinishReason::Stop)),
            ("length", Ok(FinishReason::Length)),
            ("MAX_TOKENS", Ok(FinishReason::Length)),
            ("model_context_window_exceeded", Ok(FinishReason::Length)),
            ("tool_calls", Ok(FinishReason::ToolCalls)),
            ("tool_use", Ok(FinishReason::ToolCalls)),
            ("content_filter", Ok(FinishReason::ContentFilter)),
            ("refusal", Ok(FinishReason::ContentFilter)),
            ("SAFETY", Ok(FinishReason::ContentFilter)),
            ("RECITATION", Ok(FinishReason::ContentFilter)),
            ("function_call", Ok(FinishReason::FunctionCall)),
            ("error", Err(BrokenOff)),
            ("abort", Err(BrokenOff)),
        ];
        for (reason, expected) in table {
            assert_eq!(finish_reason(reason), expected, "{reason}");
        }
    }
}
