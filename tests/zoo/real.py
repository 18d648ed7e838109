"""Architectures of ``transformers`` and ``monai``, made small: random weights, nothing downloaded.

Importing this module imports neither package; ``build`` does.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn

from tests.zoo.record import ZooModel, floats, integers, keywords, positional

_TOKENS = 64
_LENGTH = 16

# The names that most configurations share.
_TEXT: dict[str, Any] = {
    "vocab_size": _TOKENS,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
}
_DECODER: dict[str, Any] = {**_TEXT, "num_key_value_heads": 2, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
_GENERATIVE: dict[str, Any] = {
    "vocab_size": _TOKENS,
    "n_embd": 32,
    "n_layer": 2,
    "n_head": 4,
    "n_positions": 64,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
_VISION: dict[str, Any] = {
    "image_size": 32,
    "patch_size": 8,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
}
_TRANSLATION: dict[str, Any] = {
    "vocab_size": _TOKENS,
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 48,
    "decoder_ffn_dim": 48,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "decoder_start_token_id": 2,
    "forced_eos_token_id": None,
}
_SPEECH: dict[str, Any] = {
    "vocab_size": _TOKENS,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "conv_dim": (16, 16, 16),
    "conv_stride": (5, 4, 2),
    "conv_kernel": (10, 8, 4),
    "num_feat_extract_layers": 3,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
}


def _transformers(model_type: str, class_name: str, **settings: Any) -> Callable[[], nn.Module]:
    """A builder of ``transformers.<class_name>`` from the configuration of that model type."""

    def build() -> nn.Module:
        transformers = importlib.import_module("transformers")
        config = transformers.AutoConfig.for_model(model_type, **settings)
        model = getattr(transformers, class_name)(config)
        assert isinstance(model, nn.Module)
        return model

    return build


def _monai(class_name: str, **settings: Any) -> Callable[[], nn.Module]:
    """A builder of ``monai.networks.nets.<class_name>``."""

    def build() -> nn.Module:
        model = getattr(importlib.import_module("monai.networks.nets"), class_name)(**settings)
        assert isinstance(model, nn.Module)
        return model

    return build


def _picture(
    model_type: str, class_name: str, *, size: int | tuple[int, int] = 32, alone: bool = True, **settings: Any
) -> ZooModel:
    """A model that takes ``pixel_values`` alone."""
    height, width = (size, size) if isinstance(size, int) else size
    return ZooModel(
        name=model_type,
        build=_transformers(model_type, class_name, **settings),
        inputs=positional(lambda: floats(2, 3, height, width)),
        shape=(3, height, width),
        image=alone,
        family="vision",
        requires=("transformers",),
    )


def _text(model_type: str, class_name: str, *, length: int = _LENGTH, **settings: Any) -> ZooModel:
    """A model that takes ``input_ids`` alone."""
    return ZooModel(
        name=model_type,
        build=_transformers(model_type, class_name, **settings),
        inputs=keywords(input_ids=lambda: integers(2, length, below=_TOKENS)),
        shape={"input_ids": (length,)},
        dtypes="long",
        family="text",
        requires=("transformers",),
    )


def _translation(model_type: str, class_name: str, *, length: int = _LENGTH, **settings: Any) -> ZooModel:
    """An encoder and a decoder that take token numbers each."""
    return ZooModel(
        name=model_type,
        build=_transformers(model_type, class_name, **settings),
        inputs=keywords(
            input_ids=lambda: integers(2, length, below=_TOKENS),
            decoder_input_ids=lambda: integers(2, 6, below=_TOKENS, seed=1),
        ),
        shape={"input_ids": (length,), "decoder_input_ids": (6,)},
        dtypes="long",
        family="text",
        requires=("transformers",),
    )


def _waveform(
    model_type: str, class_name: str, *, shape: tuple[int, ...] = (1600,), name: str = "input_values", **settings: Any
) -> ZooModel:
    """A model of sound: samples, or features of them."""
    return ZooModel(
        name=model_type,
        build=_transformers(model_type, class_name, **settings),
        inputs=keywords(**{name: lambda: floats(2, *shape)}),
        shape={name: shape},
        family="audio",
        requires=("transformers",),
    )


def _text_and_picture(model_type: str, class_name: str, *, size: int = 32, **settings: Any) -> ZooModel:
    return ZooModel(
        name=model_type,
        build=_transformers(model_type, class_name, **settings),
        inputs=keywords(input_ids=lambda: integers(2, 8, below=_TOKENS), pixel_values=lambda: floats(2, 3, size, size)),
        shape={"input_ids": (8,), "pixel_values": (3, size, size)},
        dtypes={"input_ids": "long"},
        family="multimodal",
        requires=("transformers",),
    )


# One model is one entry: the settings are kept in few lines by hand.
# fmt: off


def _vision() -> Iterator[ZooModel]:
    stages: dict[str, Any] = {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1]}
    yield _picture("resnet", "ResNetForImageClassification", **stages, layer_type="basic")
    yield _picture("regnet", "RegNetModel", **stages, groups_width=4)
    yield _picture("bit", "BitModel", **stages, num_groups=4)
    yield _picture("convnext", "ConvNextForImageClassification", hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 1, 1])
    yield _picture("convnextv2", "ConvNextV2Model", hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 1, 1])
    yield _picture("vit", "ViTForImageClassification", **_VISION)
    yield _picture("deit", "DeiTModel", **_VISION)
    yield _picture("beit", "BeitModel", **_VISION, use_relative_position_bias=True)
    yield _picture("data2vec-vision", "Data2VecVisionModel", **_VISION, use_relative_position_bias=True)
    yield _picture("dinov2", "Dinov2Model", **_VISION)
    yield _picture("dinov2_with_registers", "Dinov2WithRegistersModel", **_VISION)
    yield _picture("dinov3_vit", "DINOv3ViTModel", **_VISION)
    yield _picture("dinov3_convnext", "DINOv3ConvNextModel", hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 1, 1])
    yield _picture("ijepa", "IJepaModel", **_VISION)
    yield _picture("vit_msn", "ViTMSNModel", **_VISION)
    yield _picture("vit_mae", "ViTMAEModel", **_VISION)
    yield _picture("pixio", "PixioModel", **_VISION)
    yield _picture("vitdet", "VitDetModel", **{**_VISION, "patch_size": 8}, window_size=2, window_block_indices=[0])
    yield _picture("yolos", "YolosForObjectDetection", **{**_VISION, "image_size": [32, 32]}, num_detection_tokens=5)
    yield _picture("swin", "SwinModel", image_size=32, patch_size=4, embed_dim=16, depths=[1, 2], num_heads=[2, 4],
                   window_size=4)
    yield _picture("swinv2", "Swinv2Model", image_size=32, patch_size=4, embed_dim=16, depths=[1, 2], num_heads=[2, 4],
                   window_size=4)
    yield _picture("swin2sr", "Swin2SRModel", image_size=32, patch_size=1, embed_dim=16, depths=[1, 2],
                   num_heads=[2, 4], window_size=4)
    yield _picture("donut-swin", "DonutSwinModel", image_size=32, patch_size=4, embed_dim=16, depths=[1, 2],
                   num_heads=[2, 4], window_size=4)
    yield _picture("maskformer-swin", "MaskFormerSwinModel", image_size=32, patch_size=4, embed_dim=16, depths=[1, 2],
                   num_heads=[2, 4], window_size=4)
    yield _picture("mobilenet_v1", "MobileNetV1Model", depth_multiplier=0.25, min_depth=4)
    yield _picture("mobilenet_v2", "MobileNetV2ForImageClassification", depth_multiplier=0.25, min_depth=4)
    yield _picture("efficientnet", "EfficientNetForImageClassification", width_coefficient=0.25, depth_coefficient=0.5,
                   hidden_dim=320, image_size=32)
    yield _picture("mobilevit", "MobileViTModel", hidden_sizes=[16, 24, 32],
                   neck_hidden_sizes=[8, 8, 16, 16, 24, 24, 32], num_attention_heads=4, image_size=32)
    yield _picture("mobilevitv2", "MobileViTV2Model", width_multiplier=0.25, image_size=64, size=64)
    yield _picture("pvt", "PvtModel", image_size=32, hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 1, 1],
                   num_attention_heads=[1, 2, 2, 4])
    yield _picture("pvt_v2", "PvtV2Model", image_size=32, hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 1, 1],
                   num_attention_heads=[1, 2, 2, 4])
    yield _picture("segformer", "SegformerForSemanticSegmentation", hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 1, 1],
                   num_attention_heads=[1, 2, 2, 4], decoder_hidden_size=16, num_labels=5, size=64)
    yield _picture("glpn", "GLPNForDepthEstimation", hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 1, 1],
                   num_attention_heads=[1, 2, 2, 4], decoder_hidden_size=16, size=64)
    yield _picture("dpt", "DPTForDepthEstimation", **{**_VISION, "num_hidden_layers": 4},
                   backbone_out_indices=[0, 1, 2, 3], neck_hidden_sizes=[8, 8, 16, 16], fusion_hidden_size=16)
    yield _picture("cvt", "CvtModel", embed_dim=[8, 16, 32], num_heads=[1, 2, 4], depth=[1, 2, 3])
    yield _picture("levit", "LevitModel", image_size=64, hidden_sizes=[16, 24, 32], num_attention_heads=[2, 2, 4],
                   depths=[1, 1, 1], key_dim=[8, 8, 8], size=64)
    yield _picture("poolformer", "PoolFormerModel", hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 1, 1])
    yield _picture("focalnet", "FocalNetModel", image_size=32, patch_size=4, embed_dim=16, hidden_sizes=[16, 32],
                   depths=[1, 2], focal_levels=[2, 2], focal_windows=[3, 3])
    yield _picture("hiera", "HieraModel", image_size=[32, 32], patch_stride=[4, 4], embed_dim=16, depths=[1, 1, 1],
                   num_heads=[1, 2, 4], masked_unit_size=[4, 4], query_stride=[2, 2], num_query_pool=2)
    yield _picture("swiftformer", "SwiftFormerModel", depths=[1, 1, 1, 1], embed_dims=[8, 16, 24, 32])
    yield _picture("textnet", "TextNetModel", stem_out_channels=8, hidden_sizes=[8, 8, 16, 16, 24],
                   conv_layer_kernel_sizes=[[[3, 3]], [[3, 3]], [[3, 1]], [[1, 3]]],
                   conv_layer_strides=[[2], [2], [2], [2]])
    yield _picture("hgnet_v2", "HGNetV2ForImageClassification", embedding_size=8, depths=[1, 1, 1, 1],
                   hidden_sizes=[16, 16, 24, 32], stem_channels=[3, 4, 8], stage_in_channels=[8, 16, 16, 24],
                   stage_mid_channels=[4, 4, 8, 8], stage_out_channels=[16, 16, 24, 32], stage_num_blocks=[1, 1, 1, 1],
                   stage_numb_of_layers=[2, 2, 2, 2])
    yield _picture("siglip_vision_model", "SiglipVisionModel", **_VISION)
    yield _picture("clip_vision_model", "CLIPVisionModelWithProjection", **_VISION, projection_dim=16)
    yield _picture("superpoint", "SuperPointForKeypointDetection", alone=False)


def _language() -> Iterator[ZooModel]:
    yield _text("bert", "BertModel", **_TEXT)
    yield _text("bert-generation", "BertGenerationEncoder", **_TEXT)
    yield _text("roberta", "RobertaModel", **_TEXT)
    yield _text("roberta-prelayernorm", "RobertaPreLayerNormModel", **_TEXT)
    yield _text("xlm-roberta", "XLMRobertaForSequenceClassification", **_TEXT)
    yield _text("camembert", "CamembertForTokenClassification", **_TEXT)
    yield _text("distilbert", "DistilBertModel", vocab_size=_TOKENS, dim=32, hidden_dim=48, n_layers=2, n_heads=4)
    yield _text("albert", "AlbertModel", **_TEXT, embedding_size=16)
    yield _text("electra", "ElectraModel", **_TEXT, embedding_size=16)
    yield _text("ernie", "ErnieModel", **_TEXT)
    yield _text("deberta", "DebertaModel", **_TEXT, relative_attention=True, pos_att_type=["c2p", "p2c"])
    yield _text("deberta-v2", "DebertaV2Model", **_TEXT, relative_attention=True, pos_att_type=["c2p", "p2c"])
    yield _text("mpnet", "MPNetModel", **_TEXT)
    yield _text("mobilebert", "MobileBertModel", **_TEXT, embedding_size=16, intra_bottleneck_size=16,
                true_hidden_size=16)
    yield _text("squeezebert", "SqueezeBertModel", **_TEXT, embedding_size=32)
    yield _text("convbert", "ConvBertModel", **_TEXT, embedding_size=16)
    yield _text("megatron-bert", "MegatronBertModel", **_TEXT)
    yield _text("rembert", "RemBertModel", **_TEXT, bos_token_id=1, eos_token_id=2, input_embedding_size=16,
                output_embedding_size=16)
    yield _text("roformer", "RoFormerModel", **_TEXT, embedding_size=16)
    yield _text("nystromformer", "NystromformerModel", **_TEXT, num_landmarks=4, segment_means_seq_len=16)
    yield _text("ibert", "IBertModel", **_TEXT)
    yield _text("esm", "EsmModel", **_TEXT, pad_token_id=0)
    yield _text("modernbert", "ModernBertModel", **_DECODER, cls_token_id=1, sep_token_id=2)
    yield _text("fnet", "FNetModel", **_TEXT)
    yield _text("big_bird", "BigBirdModel", **_TEXT, sep_token_id=2, attention_type="original_full")
    yield _text("longformer", "LongformerModel", **_TEXT, attention_window=[8, 8])
    yield _text("funnel", "FunnelModel", vocab_size=_TOKENS, block_sizes=[1, 1], d_model=32, n_head=4, d_head=8,
                d_inner=48)
    yield _text("xlnet", "XLNetModel", vocab_size=_TOKENS, d_model=32, n_layer=2, n_head=4, d_inner=48)
    yield _text("xlm", "XLMModel", vocab_size=_TOKENS, emb_dim=32, n_layers=2, n_heads=4)
    yield _text("flaubert", "FlaubertModel", vocab_size=_TOKENS, emb_dim=32, n_layers=2, n_heads=4)
    yield _text("canine", "CanineModel", hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
                intermediate_size=48, max_position_embeddings=64, num_hash_buckets=32, num_hash_functions=2)
    yield _text("reformer", "ReformerModel", vocab_size=_TOKENS, hidden_size=32, num_attention_heads=2,
                attention_head_size=16, feed_forward_size=48, attn_layers=["local", "local"], axial_pos_shape=[4, 4],
                axial_pos_embds_dim=[16, 16], max_position_embeddings=16, local_attn_chunk_length=4,
                is_decoder=False)
    yield _text("gpt2", "GPT2LMHeadModel", **_GENERATIVE)
    yield _text("openai-gpt", "OpenAIGPTModel", **_GENERATIVE)
    yield _text("gpt_neo", "GPTNeoModel", vocab_size=_TOKENS, hidden_size=32, num_layers=2, num_heads=4,
                attention_types=[[["global", "local"], 1]], max_position_embeddings=64, bos_token_id=1,
                eos_token_id=2)
    yield _text("gpt_neox", "GPTNeoXModel", **_TEXT)
    yield _text("gptj", "GPTJModel", **_GENERATIVE, rotary_dim=4)
    yield _text("gpt_bigcode", "GPTBigCodeModel", **_GENERATIVE)
    yield _text("codegen", "CodeGenModel", **_GENERATIVE, rotary_dim=4)
    yield _text("ctrl", "CTRLModel", **_GENERATIVE, dff=48)
    yield _text("opt", "OPTModel", **{**_DECODER, "ffn_dim": 48}, word_embed_proj_dim=32)
    yield _text("bloom", "BloomModel", vocab_size=_TOKENS, hidden_size=32, n_layer=2, n_head=4)
    yield _text("mpt", "MptModel", vocab_size=_TOKENS, d_model=32, n_layers=2, n_heads=4, max_seq_len=64)
    yield _text("falcon", "FalconModel", vocab_size=_TOKENS, hidden_size=32, num_hidden_layers=2,
                num_attention_heads=4)
    yield _text("llama", "LlamaForCausalLM", **_DECODER)
    yield _text("mistral", "MistralModel", **_DECODER, sliding_window=8)
    yield _text("mixtral", "MixtralModel", **_DECODER, num_local_experts=4)
    yield _text("qwen2", "Qwen2Model", **_DECODER)
    yield _text("qwen3", "Qwen3Model", **_DECODER, head_dim=8)
    yield _text("qwen2_moe", "Qwen2MoeModel", **_DECODER, num_experts=4, num_experts_per_tok=2,
                moe_intermediate_size=16, shared_expert_intermediate_size=16)
    yield _text("gemma", "GemmaModel", **_DECODER, head_dim=8)
    yield _text("gemma2", "Gemma2Model", **_DECODER, head_dim=8, sliding_window=8)
    yield _text("gemma3_text", "Gemma3TextModel", **_DECODER, head_dim=8, sliding_window=8)
    yield _text("phi", "PhiModel", **_DECODER)
    yield _text("phi3", "Phi3Model", **_DECODER)
    yield _text("stablelm", "StableLmModel", **_DECODER)
    yield _text("olmo", "OlmoModel", **_DECODER)
    yield _text("olmo2", "Olmo2Model", **_DECODER)
    yield _text("starcoder2", "Starcoder2Model", **_DECODER)
    yield _text("cohere", "CohereModel", **_DECODER)
    yield _text("granite", "GraniteModel", **_DECODER)
    yield _text("glm", "GlmModel", **_DECODER, head_dim=8)
    yield _text("persimmon", "PersimmonModel", **_DECODER)
    yield _text("nemotron", "NemotronModel", **_DECODER)
    yield _text("smollm3", "SmolLM3Model", **_DECODER)
    yield _text("deepseek_v3", "DeepseekV3Model", **_DECODER, n_routed_experts=4, num_experts_per_tok=2, n_group=2,
                topk_group=1, moe_intermediate_size=16, kv_lora_rank=8, q_lora_rank=8, qk_rope_head_dim=4,
                qk_nope_head_dim=4, v_head_dim=8, first_k_dense_replace=1)
    yield _text("gpt_oss", "GptOssModel", **{**_DECODER, "max_position_embeddings": 131072}, head_dim=8,
                num_local_experts=4, num_experts_per_tok=2, sliding_window=8)
    yield _text("biogpt", "BioGptModel", **_DECODER)
    yield _text("xglm", "XGLMModel", vocab_size=_TOKENS, d_model=32, ffn_dim=48, num_layers=2, attention_heads=4,
                max_position_embeddings=64)
    yield _text("mamba", "MambaModel", vocab_size=_TOKENS, hidden_size=32, num_hidden_layers=2, state_size=4,
                time_step_rank=4)
    yield _text("mamba2", "Mamba2Model", vocab_size=_TOKENS, hidden_size=32, num_hidden_layers=2, state_size=4,
                num_heads=8, head_dim=8, n_groups=2, chunk_size=8)
    yield _text("falcon_mamba", "FalconMambaModel", vocab_size=_TOKENS, hidden_size=32, num_hidden_layers=2,
                state_size=4, time_step_rank=4)
    yield _text("rwkv", "RwkvModel", vocab_size=_TOKENS, hidden_size=32, num_hidden_layers=2, attention_hidden_size=32,
                intermediate_size=48, context_length=64)
    yield _text("recurrent_gemma", "RecurrentGemmaModel", **_DECODER, lru_width=32, attention_window_size=8,
                block_types=["recurrent", "attention"])
    yield _text("jamba", "JambaModel", **_DECODER, num_experts=2, num_experts_per_tok=1, mamba_d_state=4,
                mamba_dt_rank=4, attn_layer_period=2, attn_layer_offset=1)
    yield _text("lfm2", "Lfm2Model", **_DECODER, layer_types=["conv", "full_attention"])
    yield _text("xlstm", "xLSTMModel", vocab_size=_TOKENS, hidden_size=128, num_heads=4, num_blocks=2)


def _encoder_decoder() -> Iterator[ZooModel]:
    t5: dict[str, Any] = {"vocab_size": _TOKENS, "d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 4}
    yield _translation("t5", "T5ForConditionalGeneration", **t5)
    yield _translation("mt5", "MT5Model", **t5)
    yield _translation("umt5", "UMT5Model", **t5)
    yield _translation("longt5", "LongT5Model", **t5, local_radius=3)
    yield _translation("switch_transformers", "SwitchTransformersModel", **t5, num_experts=2,
                       num_sparse_encoder_layers=1, num_sparse_decoder_layers=1)
    yield _translation("bart", "BartModel", **_TRANSLATION)
    yield _translation("mbart", "MBartModel", **_TRANSLATION)
    yield _translation("plbart", "PLBartModel", **_TRANSLATION)
    yield _translation("pegasus", "PegasusModel", **_TRANSLATION)
    yield _translation("pegasus_x", "PegasusXModel", **_TRANSLATION, num_global_tokens=4, block_size=8)
    yield _translation("bigbird_pegasus", "BigBirdPegasusModel", **_TRANSLATION, attention_type="original_full")
    yield _translation("marian", "MarianModel", **_TRANSLATION)
    yield _translation("m2m_100", "M2M100Model", **_TRANSLATION)
    yield _translation("blenderbot", "BlenderbotModel", **_TRANSLATION)
    yield _translation("blenderbot-small", "BlenderbotSmallModel", **_TRANSLATION)
    yield _translation("mvp", "MvpModel", **_TRANSLATION)
    yield _translation("led", "LEDModel", **{**_TRANSLATION, "max_position_embeddings": 64},
                       max_encoder_position_embeddings=64, max_decoder_position_embeddings=64,
                       attention_window=[8, 8])
    yield _translation("prophetnet", "ProphetNetModel", vocab_size=_TOKENS, hidden_size=32, encoder_ffn_dim=48,
                       decoder_ffn_dim=48, num_encoder_layers=2, num_decoder_layers=2, num_encoder_attention_heads=4,
                       num_decoder_attention_heads=4, max_position_embeddings=64, ngram=2, num_buckets=8,
                       relative_max_distance=16)
    yield _translation("fsmt", "FSMTModel", **{**_TRANSLATION, "src_vocab_size": _TOKENS, "tgt_vocab_size": _TOKENS},
                       langs=["en", "de"])


def _sound() -> Iterator[ZooModel]:
    yield _waveform("wav2vec2", "Wav2Vec2Model", **_SPEECH)
    yield _waveform("hubert", "HubertModel", **_SPEECH)
    yield _waveform("wavlm", "WavLMModel", **_SPEECH)
    yield _waveform("unispeech", "UniSpeechModel", **_SPEECH)
    yield _waveform("unispeech-sat", "UniSpeechSatModel", **_SPEECH)
    yield _waveform("data2vec-audio", "Data2VecAudioModel", **{**_SPEECH, "num_conv_pos_embeddings": 2})
    yield _waveform("wav2vec2-conformer", "Wav2Vec2ConformerModel", **_SPEECH)
    yield _waveform("sew", "SEWModel", **_SPEECH, squeeze_factor=2)
    yield _waveform("sew-d", "SEWDModel", **_SPEECH, squeeze_factor=2)
    yield _waveform("wav2vec2-bert", "Wav2Vec2BertModel", shape=(12, 16), name="input_features", hidden_size=32,
                    num_hidden_layers=2, num_attention_heads=4, intermediate_size=48,
                    feature_projection_input_dim=16)
    yield _waveform("audio-spectrogram-transformer", "ASTModel", shape=(32, 16), hidden_size=32, num_hidden_layers=2,
                    num_attention_heads=4, intermediate_size=48, patch_size=8, max_length=32, num_mel_bins=16,
                    frequency_stride=4, time_stride=4)
    yield _waveform("encodec", "EncodecModel", shape=(1, 1280), hidden_size=16, num_filters=4, upsampling_ratios=[4, 4],
                    codebook_size=16, codebook_dim=16, num_residual_layers=1, num_lstm_layers=1,
                    target_bandwidths=[6.0])
    yield _waveform("dac", "DacModel", shape=(1, 1280), encoder_hidden_size=8, downsampling_ratios=[4, 4],
                    decoder_hidden_size=16, n_codebooks=2, codebook_size=16, codebook_dim=4,
                    hidden_size=16)
    yield _waveform("univnet", "UnivNetModel", shape=(12, 8), name="input_features", model_hidden_channels=4,
                    model_in_channels=4, num_mel_bins=8, kernel_predictor_hidden_channels=4,
                    kernel_predictor_num_blocks=1)
    tokens_of_sound: dict[str, Any] = {**_TRANSLATION, "num_mel_bins": 16, "max_source_positions": 16}
    for model_type, class_name, frames in (("whisper", "WhisperModel", (16, 32)),
                                           ("speech_to_text", "Speech2TextModel", (32, 16))):
        yield ZooModel(
            name=model_type,
            build=_transformers(
                model_type,
                class_name,
                **tokens_of_sound,
                max_target_positions=16,
                input_feat_per_channel=16,
                conv_channels=16,
            ),
            inputs=keywords(
                input_features=lambda frames=frames: floats(2, *frames),  # type: ignore[misc]
                decoder_input_ids=lambda: integers(2, 6, below=_TOKENS),
            ),
            shape={"input_features": frames, "decoder_input_ids": (6,)},
            dtypes={"decoder_input_ids": "long"},
            family="audio",
            requires=("transformers",),
        )
    yield ZooModel(
        name="vits",
        build=_transformers(
            "vits",
            "VitsModel",
            vocab_size=_TOKENS,
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            ffn_dim=48,
            flow_size=16,
            spectrogram_bins=9,
            upsample_initial_channel=16,
            upsample_rates=[4, 4],
            upsample_kernel_sizes=[8, 8],
            resblock_kernel_sizes=[3],
            resblock_dilation_sizes=[[1, 3]],
            prior_encoder_num_flows=2,
            prior_encoder_num_wavenet_layers=2,
            posterior_encoder_num_wavenet_layers=2,
            depth_separable_num_layers=2,
            duration_predictor_num_flows=2,
        ),
        inputs=keywords(input_ids=lambda: integers(1, 8, below=_TOKENS)),
        shape={"input_ids": (8,)},
        dtypes="long",
        family="audio",
        requires=("transformers",),
        note="draws random numbers even in eval mode",
    )


def _multimodal() -> Iterator[ZooModel]:
    yield _text_and_picture("clip", "CLIPModel", text_config=_DECODER, vision_config=_VISION, projection_dim=16)
    yield _text_and_picture("chinese_clip", "ChineseCLIPModel", text_config=_TEXT, vision_config=_VISION,
                            projection_dim=16)
    yield _text_and_picture(
        "siglip", "SiglipModel", text_config={**_DECODER, "projection_size": 32}, vision_config=_VISION
    )
    yield _text_and_picture("altclip", "AltCLIPModel", text_config={**_TEXT, "project_dim": 16}, vision_config=_VISION,
                            projection_dim=16)
    yield _text_and_picture("groupvit", "GroupViTModel", text_config=_DECODER, projection_dim=16,
                            projection_intermediate_dim=16,
                            vision_config={**_VISION, "depths": [1, 1], "num_group_tokens": [4, 0],
                                           "num_output_groups": [4, 2], "hidden_size": 32})
    yield _text_and_picture("clipseg", "CLIPSegModel", text_config=_DECODER, vision_config=_VISION, projection_dim=16)
    yield _text_and_picture("owlvit", "OwlViTModel", text_config=_DECODER, vision_config=_VISION, projection_dim=16)
    yield _text_and_picture("align", "AlignModel", text_config=_TEXT, projection_dim=80, size=32,
                            vision_config={"width_coefficient": 0.25, "depth_coefficient": 0.5, "image_size": 32,
                                           "hidden_dim": 32})
    yield _text_and_picture("blip", "BlipForImageTextRetrieval", vision_config=_VISION, image_text_hidden_size=16,
                            text_config={**_DECODER, "encoder_hidden_size": 32, "sep_token_id": 2})
    yield _text_and_picture("vilt", "ViltModel", **{**_TEXT, **_VISION})
    yield _text_and_picture("flava", "FlavaModel", text_config=_TEXT, image_config=_VISION,
                            multimodal_config={"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
                                               "intermediate_size": 48},
                            image_codebook_config={}, hidden_size=32, projection_dim=16)
    yield _text_and_picture("git", "GitModel", **_DECODER, vision_config=_VISION)
    yield _text_and_picture("bridgetower", "BridgeTowerModel", hidden_size=64, num_hidden_layers=2,
                            num_attention_heads=4, intermediate_size=48, text_config={**_DECODER, "hidden_size": 64},
                            vision_config={**_VISION, "hidden_size": 64})
    yield ZooModel(
        name="clap",
        build=_transformers(
            "clap",
            "ClapModel",
            projection_dim=16,
            text_config={**_TEXT, "projection_dim": 16},
            audio_config={
                "window_size": 4,
                "num_mel_bins": 16,
                "spec_size": 64,
                "patch_size": 4,
                "patch_stride": [4, 4],
                "hidden_size": 64,
                "depths": [1, 1],
                "num_attention_heads": [2, 2],
                "patch_embeds_hidden_size": 32,
                "projection_dim": 16,
                "num_hidden_layers": 2,
                "intermediate_size": 48,
            },
        ),
        inputs=keywords(
            input_ids=lambda: integers(2, 8, below=_TOKENS),
            input_features=lambda: floats(2, 1, 64, 16),
        ),
        shape={"input_ids": (8,), "input_features": (1, 64, 16)},
        dtypes={"input_ids": "long"},
        family="multimodal",
        requires=("transformers",),
    )
    yield ZooModel(
        name="layoutlm",
        build=_transformers("layoutlm", "LayoutLMModel", **_TEXT, max_2d_position_embeddings=64),
        inputs=keywords(
            input_ids=lambda: integers(2, 8, below=_TOKENS),
            bbox=lambda: torch.tensor([0, 0, 5, 7]).expand(2, 8, 4).contiguous(),
        ),
        shape={"input_ids": (8,), "bbox": (8, 4)},
        dtypes="long",
        family="multimodal",
        requires=("transformers",),
    )
    yield ZooModel(
        name="lxmert",
        build=_transformers(
            "lxmert",
            "LxmertModel",
            vocab_size=_TOKENS,
            hidden_size=32,
            num_attention_heads=4,
            intermediate_size=48,
            l_layers=1,
            x_layers=1,
            r_layers=1,
            visual_feat_dim=16,
            max_position_embeddings=64,
        ),
        inputs=keywords(
            input_ids=lambda: integers(2, 8, below=_TOKENS),
            visual_feats=lambda: floats(2, 5, 16),
            visual_pos=lambda: floats(2, 5, 4, seed=1),
        ),
        shape={"input_ids": (8,), "visual_feats": (5, 16), "visual_pos": (5, 4)},
        dtypes={"input_ids": "long"},
        family="multimodal",
        requires=("transformers",),
    )
    yield ZooModel(
        name="visual_bert",
        build=_transformers("visual_bert", "VisualBertModel", **_TEXT, visual_embedding_dim=16),
        inputs=keywords(
            input_ids=lambda: integers(2, 8, below=_TOKENS),
            visual_embeds=lambda: floats(2, 5, 16),
        ),
        shape={"input_ids": (8,), "visual_embeds": (5, 16)},
        dtypes={"input_ids": "long"},
        family="multimodal",
        requires=("transformers",),
    )
    yield ZooModel(
        name="llava",
        build=_transformers(
            "llava",
            "LlavaModel",
            image_token_index=3,
            vision_feature_layer=-1,
            text_config={**_DECODER, "model_type": "llama"},
            vision_config={**_VISION, "model_type": "clip_vision_model"},
        ),
        inputs=keywords(
            input_ids=lambda: torch.tensor([[1, *[3] * 16, 9, 2]]),
            pixel_values=lambda: floats(1, 3, 32, 32),
        ),
        family="multimodal",
        requires=("transformers",),
        note="the number of image tokens among the input_ids has to match the image",
    )


def _detection() -> Iterator[ZooModel]:
    backbone: dict[str, Any] = {
        "model_type": "resnet",
        "embedding_size": 8,
        "hidden_sizes": [8, 16, 24, 32],
        "depths": [1, 1, 1, 1],
        "layer_type": "basic",
        "out_features": ["stage2", "stage3", "stage4"],
    }
    detr: dict[str, Any] = {**_TRANSLATION, "num_queries": 5, "use_timm_backbone": False, "backbone": None}
    for model_type, class_name, size, features in (
        ("detr", "DetrForObjectDetection", 64, ["stage4"]),
        ("conditional_detr", "ConditionalDetrModel", 64, ["stage4"]),
        ("table-transformer", "TableTransformerModel", 64, ["stage4"]),
        ("dab-detr", "DabDetrModel", 64, ["stage4"]),
        # One more halving than the others; GroupNorm refuses a map of a single value in a batch of one.
        ("deformable_detr", "DeformableDetrModel", 96, ["stage2", "stage3", "stage4"]),
    ):
        yield _picture(model_type, class_name, size=size, **detr, hidden_size=32, num_feature_levels=4,
                       backbone_config={**backbone, "out_features": features})
    yield _picture("rt_detr", "RTDetrModel", size=64, encoder_hidden_dim=32, encoder_in_channels=[16, 24, 32],
                   encoder_ffn_dim=48, encoder_attention_heads=4, d_model=32, decoder_in_channels=[32, 32, 32],
                   decoder_ffn_dim=48, decoder_layers=2, decoder_attention_heads=4, num_queries=5, num_denoising=0,
                   hidden_expansion=0.5, backbone=None,
                   backbone_config={**backbone, "model_type": "rt_detr_resnet"})
    decoder: dict[str, Any] = {"model_type": "detr", **detr, "hidden_size": 32, "backbone_config": backbone}
    swin: dict[str, Any] = {
        "model_type": "swin",
        "image_size": 64,
        "patch_size": 4,
        "embed_dim": 8,
        "depths": [1, 1, 1, 1],
        "num_heads": [1, 2, 2, 4],
        "window_size": 4,
        "out_features": ["stage1", "stage2", "stage3", "stage4"],
    }
    yield _picture("maskformer", "MaskFormerModel", size=64, backbone_config=swin, decoder_config=decoder,
                   fpn_feature_size=32, mask_feature_size=32)
    yield _picture("mask2former", "Mask2FormerModel", size=64, backbone_config=swin, feature_size=32,
                   mask_feature_size=32, hidden_dim=32, encoder_feedforward_dim=48, dim_feedforward=48,
                   encoder_layers=1, decoder_layers=2, num_attention_heads=4, num_queries=5)
    yield _picture("upernet", "UperNetForSemanticSegmentation", size=64, backbone_config=swin, hidden_size=16,
                   auxiliary_channels=8, auxiliary_in_channels=32, num_labels=5, pool_scales=[1, 2],
                   use_auxiliary_head=True)
    yield _picture("sam_vision_model", "SamVisionModel", size=32, hidden_size=32, output_channels=16,
                   num_hidden_layers=2, num_attention_heads=4, image_size=32, patch_size=8, window_size=2,
                   global_attn_indexes=[1], mlp_dim=48)


def _video() -> Iterator[ZooModel]:
    frames = 4
    for model_type, class_name, settings in (
        ("videomae", "VideoMAEModel", {**_VISION, "num_frames": frames, "tubelet_size": 2}),
        ("vivit", "VivitModel", {**_VISION, "num_frames": frames, "tubelet_size": [2, 8, 8]}),
        ("timesformer", "TimesformerModel", {**_VISION, "num_frames": frames}),
    ):
        yield ZooModel(
            name=model_type,
            build=_transformers(model_type, class_name, **settings),
            inputs=keywords(pixel_values=lambda: floats(2, frames, 3, 32, 32)),
            shape=(frames, 3, 32, 32),
            family="video",
            requires=("transformers",),
        )


def _time_series() -> Iterator[ZooModel]:
    yield ZooModel(
        name="patchtst",
        build=_transformers(
            "patchtst",
            "PatchTSTModel",
            num_input_channels=2,
            context_length=32,
            patch_length=8,
            patch_stride=8,
            d_model=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            ffn_dim=32,
        ),
        inputs=positional(lambda: floats(2, 32, 2)),
        shape=(32, 2),
        family="time series",
        requires=("transformers",),
    )
    yield ZooModel(
        name="patchtsmixer",
        build=_transformers(
            "patchtsmixer",
            "PatchTSMixerModel",
            num_input_channels=2,
            context_length=32,
            patch_length=8,
            patch_stride=8,
            d_model=16,
            num_layers=2,
        ),
        inputs=positional(lambda: floats(2, 32, 2)),
        shape=(32, 2),
        family="time series",
        requires=("transformers",),
    )
    for model_type, class_name in (
        ("time_series_transformer", "TimeSeriesTransformerModel"),
        ("informer", "InformerModel"),
        ("autoformer", "AutoformerModel"),
    ):
        yield ZooModel(
            name=model_type,
            build=_transformers(
                model_type,
                class_name,
                prediction_length=6,
                context_length=12,
                lags_sequence=[1, 2],
                num_time_features=2,
                d_model=16,
                encoder_layers=2,
                decoder_layers=1,
                encoder_attention_heads=2,
                decoder_attention_heads=2,
                encoder_ffn_dim=32,
                decoder_ffn_dim=32,
                label_length=4,
                moving_average=3,
            ),
            inputs=keywords(
                past_values=lambda: floats(2, 14),
                past_time_features=lambda: floats(2, 14, 2, seed=1),
                past_observed_mask=lambda: torch.ones(2, 14),
                future_values=lambda: floats(2, 6, seed=2),
                future_time_features=lambda: floats(2, 6, 2, seed=3),
            ),
            shape={
                "past_values": (14,),
                "past_time_features": (14, 2),
                "past_observed_mask": (14,),
                "future_values": (6,),
                "future_time_features": (6, 2),
            },
            family="time series",
            requires=("transformers",),
        )
    yield ZooModel(
        name="decision_transformer",
        build=_transformers(
            "decision_transformer",
            "DecisionTransformerModel",
            state_dim=5,
            act_dim=3,
            hidden_size=16,
            n_layer=2,
            n_head=2,
            max_ep_len=32,
            bos_token_id=0,
            eos_token_id=0,
        ),
        inputs=keywords(
            states=lambda: floats(2, 4, 5),
            actions=lambda: floats(2, 4, 3, seed=1),
            rewards=lambda: floats(2, 4, 1, seed=2),
            returns_to_go=lambda: floats(2, 4, 1, seed=3),
            timesteps=lambda: torch.arange(4).expand(2, 4).contiguous(),
            attention_mask=lambda: torch.ones(2, 4),
        ),
        family="time series",
        requires=("transformers",),
    )


def _medical() -> Iterator[ZooModel]:
    def network(
        name: str,
        class_name: str,
        shape: tuple[int, ...],
        *,
        requires: tuple[str, ...] = (),
        **settings: Any,
    ) -> ZooModel:
        return ZooModel(
            name=f"monai {name}",
            build=_monai(class_name, **settings),
            inputs=positional(lambda: floats(2, *shape)),
            shape=shape,
            image=len(shape) == 3,
            family="medical",
            requires=("monai", *requires),
        )

    flat, solid = (1, 32, 32), (1, 32, 32, 32)
    planes: dict[str, Any] = {"spatial_dims": 2, "in_channels": 1, "out_channels": 2}
    space: dict[str, Any] = {**planes, "spatial_dims": 3}
    unet: dict[str, Any] = {"channels": (4, 8, 16), "strides": (2, 2)}
    yield network("UNet 2d", "UNet", flat, **planes, **unet, num_res_units=2)
    yield network("UNet 3d", "UNet", (1, 16, 16, 16), **space, **unet, num_res_units=1, norm="batch")
    yield network("BasicUNet", "BasicUNet", flat, **planes, features=(4, 4, 8, 8, 16, 4))
    yield network("BasicUNetPlusPlus", "BasicUNetPlusPlus", flat, **planes, features=(4, 4, 8, 8, 16, 4))
    yield network("AttentionUnet", "AttentionUnet", flat, **planes, **unet)
    yield network("DynUNet", "DynUNet", flat, **planes, kernel_size=[3, 3, 3], strides=[1, 2, 2],
                  upsample_kernel_size=[2, 2], filters=[4, 8, 16])
    yield network("VNet", "VNet", flat, spatial_dims=2, in_channels=1, out_channels=2, dropout_prob_down=0.5,
                  dropout_prob_up=(0.5, 0.5))
    yield network("SegResNet", "SegResNet", flat, **planes, init_filters=8, blocks_down=(1, 1, 2), blocks_up=(1, 1))
    yield network("SegResNetDS", "SegResNetDS", flat, **planes, init_filters=8, blocks_down=(1, 1, 2))
    yield network("SegResNetVAE", "SegResNetVAE", flat, **planes, input_image_size=(32, 32), vae_nz=8, init_filters=8,
                  blocks_down=(1, 1, 2), blocks_up=(1, 1))
    yield network("UNETR", "UNETR", (1, 32, 32), **planes, img_size=(32, 32), feature_size=4, hidden_size=16,
                  mlp_dim=32, num_heads=2, requires=("einops",))
    yield network("SwinUNETR", "SwinUNETR", (1, 64, 64), **planes, feature_size=12, depths=(1, 1, 1, 1),
                  num_heads=(1, 2, 2, 4), window_size=4, requires=("einops",))
    yield network("ViT", "ViT", flat, in_channels=1, img_size=(32, 32), patch_size=(8, 8), spatial_dims=2,
                  hidden_size=16, mlp_dim=32, num_layers=2, num_heads=2, classification=True, num_classes=3,
                  requires=("einops",))
    yield network("ViTAutoEnc", "ViTAutoEnc", flat, in_channels=1, img_size=(32, 32), patch_size=(4, 4), spatial_dims=2,
                  hidden_size=16, mlp_dim=32, num_layers=2, num_heads=2, requires=("einops",))
    yield network("DenseNet121", "DenseNet121", flat, **planes, init_features=8, growth_rate=4)
    yield network("DenseNet 3d", "DenseNet", solid, **space, init_features=4, growth_rate=4, block_config=(1, 1))
    yield network("ResNet", "ResNet", flat, block="basic", layers=[1, 1, 1, 1], block_inplanes=[4, 8, 8, 16],
                  spatial_dims=2, n_input_channels=1, num_classes=3)
    yield network("SENet", "SEResNet50", flat, spatial_dims=2, in_channels=1, num_classes=3, layers=(1, 1, 1, 1))
    yield network("EfficientNetBN", "EfficientNet", flat, spatial_dims=2, in_channels=1, num_classes=3,
                  blocks_args_str=["r1_k3_s11_e1_i32_o16_se0.25", "r2_k3_s22_e6_i16_o24_se0.25"],
                  width_coefficient=0.25, depth_coefficient=1.0, image_size=32)
    yield network("HighResNet", "HighResNet", flat, **planes)
    yield network("AHNet", "AHNet", (1, 64, 64), layers=(1, 1, 1, 1), spatial_dims=2, in_channels=1, out_channels=2,
                  psp_block_num=2, upsample_mode="bilinear")
    yield network("RegUNet", "RegUNet", flat, spatial_dims=2, in_channels=1, num_channel_initial=4, depth=2,
                  out_channels=2)
    yield network("LocalNet", "LocalNet", flat, spatial_dims=2, in_channels=1, num_channel_initial=4,
                  extract_levels=(0, 1), out_channels=2)
    yield network("AutoEncoder", "AutoEncoder", flat, **planes, channels=(4, 8), strides=(2, 2))
    yield network("VarAutoEncoder", "VarAutoEncoder", flat, spatial_dims=2, in_shape=flat, out_channels=1,
                  latent_size=4, channels=(4, 8), strides=(2, 2))
    yield network("Regressor", "Regressor", flat, in_shape=flat, out_shape=(3,), channels=(4, 8), strides=(2, 2))
    yield network("Discriminator", "Discriminator", flat, in_shape=flat, channels=(4, 8), strides=(2, 2))
    yield network("MedNeXt", "MedNeXt", flat, spatial_dims=2, in_channels=1, out_channels=2, init_filters=4,
                  encoder_expansion_ratio=2, decoder_expansion_ratio=2, bottleneck_expansion_ratio=2,
                  blocks_down=(1, 1, 1, 1), blocks_bottleneck=1, blocks_up=(1, 1, 1, 1))
    yield network("AutoencoderKL", "AutoencoderKL", flat, **{**planes, "out_channels": 1}, channels=(8, 8),
                  attention_levels=(False, True), num_res_blocks=1, norm_num_groups=4, latent_channels=2,
                  requires=("einops",))
    yield network("VQVAE", "VQVAE", flat, **{**planes, "out_channels": 1}, channels=(8, 8), num_res_layers=1,
                  num_res_channels=(8, 8), downsample_parameters=((2, 4, 1, 1), (2, 4, 1, 1)),
                  upsample_parameters=((2, 4, 1, 1, 0), (2, 4, 1, 1, 0)), num_embeddings=8, embedding_dim=4)
    yield network("VISTA3D encoder", "SegResNetDS2", (1, 16, 16, 16), **space, init_filters=8, blocks_down=(1, 1))


# fmt: on

REAL: tuple[ZooModel, ...] = (
    *_vision(),
    *_language(),
    *_encoder_decoder(),
    *_sound(),
    *_multimodal(),
    *_detection(),
    *_video(),
    *_time_series(),
    *_medical(),
)
