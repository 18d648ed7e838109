"""Models of packages that CI does not install, made small: random weights, nothing downloaded.

``python -m tests.compat`` installs the packages.  Importing this module imports none of them; ``build`` does.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from tests.zoo.record import Arguments, ZooModel, floats, integers


def _entry(
    package: str,
    name: str,
    build: Callable[[Any], nn.Module],
    *args: Callable[[], Any],
    shape: tuple[int, ...] | None = None,
    imports: str = "",
    **kwargs: Callable[[], Any],
) -> ZooModel:
    """A model of ``package``: ``build`` is given the module that it ``imports``, ``args`` make what it is called with.

    With a ``shape`` it takes one tensor, and letters may stand for all sizes of it but the first.
    """

    def made() -> nn.Module:
        return build(importlib.import_module(imports or package))

    def inputs() -> Arguments:
        if shape is not None:
            return (floats(2, *shape),), {}
        return tuple(make() for make in args), {key: make() for key, make in kwargs.items()}

    return ZooModel(
        name=f"{package} {name}",
        build=made,
        inputs=inputs,
        shape=shape,
        image=shape is not None,
        family=package,
        requires=(package,),
    )


def _attributes(path: str, **settings: Any) -> Callable[[Any], nn.Module]:
    """A builder: the class or function at ``path`` of the package, called with the settings."""

    def build(package: Any) -> nn.Module:
        for name in path.split("."):
            package = getattr(package, name)
        model = package(**settings)
        assert isinstance(model, nn.Module)
        return model

    return build


# One model is one entry: the settings are kept in few lines by hand.
# fmt: off


def _torchvision() -> Iterator[ZooModel]:
    def small(name: str, build: Callable[[Any], nn.Module], *shape: int) -> ZooModel:
        return _entry("torchvision", name, build, shape=shape, imports="torchvision.models")

    def quantized(name: str, *, into_integers: bool) -> Callable[[Any], nn.Module]:
        return lambda models: models.get_model(name, weights=None, quantize=into_integers)

    yield small("ResNet", lambda m: m.ResNet(m.resnet.BasicBlock, [1, 1, 1, 1], width_per_group=64, num_classes=5),
                3, 32, 32)
    yield small("DenseNet", _attributes("DenseNet", growth_rate=4, block_config=(2, 2), num_init_features=8), 3, 32, 32)
    yield small("ShuffleNetV2", _attributes("ShuffleNetV2", stages_repeats=[1, 1, 1],
                stages_out_channels=[8, 16, 24, 32, 48]), 3, 64, 64)
    yield small("MobileNetV2", _attributes("MobileNetV2", width_mult=0.1, num_classes=5), 3, 32, 32)
    yield small("MNASNet", _attributes("MNASNet", alpha=0.2, num_classes=5), 3, 32, 32)
    yield small("SqueezeNet", _attributes("SqueezeNet", version="1_1", num_classes=5), 3, 64, 64)
    yield small("SwinTransformer", _attributes("SwinTransformer", patch_size=[4, 4], embed_dim=16, depths=[1, 2],
                num_heads=[2, 4], window_size=[4, 4], num_classes=5), 3, 32, 32)
    yield small("VisionTransformer", _attributes("VisionTransformer", image_size=32, patch_size=8, num_layers=2,
                num_heads=2, hidden_dim=32, mlp_dim=32, num_classes=5), 3, 32, 32)
    yield small("MaxVit", _attributes("MaxVit", input_size=(64, 64), stem_channels=8, partition_size=4,
                block_channels=[8, 16], block_layers=[1, 1], head_dim=4, stochastic_depth_prob=0.0), 3, 64, 64)
    yield small("quantized ShuffleNetV2 in floats", quantized("quantized_shufflenet_v2_x0_5", into_integers=False),
                3, 64, 64)
    for name in ("quantized_shufflenet_v2_x0_5", "quantized_mobilenet_v2"):
        yield _entry("torchvision", name, quantized(name, into_integers=True), lambda: floats(2, 3, 64, 64),
                     imports="torchvision.models")


def _timm() -> Iterator[ZooModel]:
    def small(name: str, *shape: int, **settings: Any) -> ZooModel:
        return _entry("timm", " ".join([name, *settings]), _attributes("create_model", model_name=name, **settings),
                      shape=shape or (3, 64, 64))

    yield small("test_resnet")
    yield small("test_efficientnet")
    yield small("test_vit", 3, 160, 160)
    yield small("test_vit", 3, 64, 64, dynamic_img_size=True)
    yield small("test_byobnet")
    yield small("test_nfnet")
    yield small("test_convnext")
    yield small("test_mambaout")
    yield small("lcnet_035")
    yield small("mobilenetv3_small_050", features_only=True)


_EDGES = ((0, 1, 1, 2, 2, 3, 3, 4, 4, 0), (1, 0, 2, 1, 3, 2, 4, 3, 0, 4))


def _nodes() -> Tensor:
    return floats(5, 8)


def _edges() -> Tensor:
    return torch.tensor(_EDGES)


def _graphs() -> Iterator[ZooModel]:
    def network(name: str, path: str, **settings: Any) -> ZooModel:
        return _entry("torch_geometric", name, _attributes(path, **settings), _nodes, _edges,
                      imports="torch_geometric.nn")

    def classifier(g: Any) -> nn.Module:
        return g.Sequential("x, edge_index, batch", [
            (g.GraphConv(8, 16), "x, edge_index -> x"),
            nn.ReLU(),
            (g.global_mean_pool, "x, batch -> x"),
            nn.Linear(16, 3),
        ])

    for kind in ("GCN", "GraphSAGE", "GIN", "GAT", "EdgeCNN"):
        yield network(kind, kind, in_channels=8, hidden_channels=16, num_layers=2, out_channels=4, norm="batch_norm",
                      jk="cat")
    yield network("PNA", "PNA", in_channels=8, hidden_channels=16, num_layers=2, out_channels=4,
                  aggregators=["mean", "max"], scalers=["identity"], deg=torch.tensor([0, 0, 5]))
    yield network("lazy GCN", "GCN", in_channels=-1, hidden_channels=16, num_layers=2, out_channels=4)
    for kind in ("GATv2Conv", "TransformerConv", "TAGConv", "ARMAConv", "SGConv", "SuperGATConv", "FiLMConv",
                 "FeaStConv", "LEConv", "ClusterGCNConv"):
        yield network(kind, kind, in_channels=8, out_channels=6)
    yield network("GraphUNet", "GraphUNet", in_channels=8, hidden_channels=16, out_channels=4, depth=2)
    yield _entry("torch_geometric", "classifier of graphs", classifier, _nodes, _edges,
                 lambda: torch.tensor([0, 0, 0, 1, 1]), imports="torch_geometric.nn")
    yield _entry("torch_geometric", "NNConv", lambda g: g.NNConv(8, 6, nn.Linear(3, 48)), _nodes, _edges,
                 lambda: floats(10, 3), imports="torch_geometric.nn")
    yield _entry("torch_geometric", "PointNetConv", lambda g: g.PointNetConv(nn.Linear(11, 6), nn.Linear(6, 6)),
                 _nodes, lambda: floats(5, 3), _edges, imports="torch_geometric.nn")
    kinds = (("a", "to", "b"), ("b", "to", "a"))
    yield _entry("torch_geometric", "HeteroConv",
                 lambda g: g.HeteroConv({kind: g.SAGEConv((8, 8), 6) for kind in kinds}),
                 lambda: dict.fromkeys("ab", _nodes()), lambda: dict.fromkeys(kinds, _edges()),
                 imports="torch_geometric.nn")


def _segmentation() -> Iterator[ZooModel]:
    def network(kind: str, encoder: str = "resnet18", **settings: Any) -> ZooModel:
        build = _attributes(kind, encoder_name=encoder, encoder_weights=None, classes=2, **settings)
        return _entry("segmentation_models_pytorch", f"{kind} {encoder}", build, shape=(3, 64, 64))

    small: dict[str, Any] = {"encoder_depth": 3, "decoder_channels": (16, 8, 8)}
    yield network("Unet", "mobilenet_v2", **small, aux_params={"classes": 3, "dropout": 0.1})
    yield network("UnetPlusPlus", "mobilenet_v2", **small)
    yield network("MAnet", "mobilenet_v2", **small)
    yield network("Linknet", "mobilenet_v2")
    yield network("PSPNet", "mobilenet_v2", psp_out_channels=16)
    yield network("DeepLabV3Plus", "mobilenet_v2", decoder_channels=16)
    yield network("Segformer", "mobilenet_v2", decoder_segmentation_channels=16)


def _clip() -> Iterator[ZooModel]:
    pixels, words = (lambda: floats(2, 3, 32, 32)), (lambda: integers(2, 16, below=64))
    text = {"context_length": 16, "vocab_size": 64, "width": 32, "heads": 4, "layers": 2}
    for name, vision in {
        "ViT": {"layers": 2, "width": 64, "head_width": 16, "patch_size": 8, "image_size": 32},
        "ResNet": {"layers": (1, 1, 1, 1), "width": 16, "head_width": 16, "image_size": 32},
    }.items():
        whole = _attributes("CLIP", embed_dim=32, vision_cfg=vision, text_cfg=text)
        yield _entry("open_clip", f"CLIP {name}", whole, pixels, words)
        yield _entry("open_clip", f"tower {name}", _part(whole, "visual"), shape=(3, 32, 32))


def _part(build: Callable[[Any], nn.Module], name: str) -> Callable[[Any], nn.Module]:
    return lambda package: build(package).get_submodule(name)


def _diffusers() -> Iterator[ZooModel]:
    blocks: dict[str, Any] = {"layers_per_block": 1, "block_out_channels": (16, 32), "norm_num_groups": 8}
    pixels, time = (lambda: floats(2, 4, 16, 16)), (lambda: torch.tensor(5))
    yield _entry("diffusers", "UNet2DModel", _attributes(
        "UNet2DModel", sample_size=16, in_channels=4, out_channels=4, **blocks,
        down_block_types=("DownBlock2D", "AttnDownBlock2D"), up_block_types=("AttnUpBlock2D", "UpBlock2D"),
    ), pixels, time)
    yield _entry("diffusers", "UNet2DConditionModel", _attributes(
        "UNet2DConditionModel", sample_size=16, **blocks, cross_attention_dim=16, attention_head_dim=8,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
    ), pixels, time, lambda: floats(2, 7, 16))
    yield _entry("diffusers", "AutoencoderKL", _attributes(
        "AutoencoderKL", **blocks, down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
    ), shape=(3, 32, 32))
    yield _entry("diffusers", "DiT", _attributes(
        "DiTTransformer2DModel", num_attention_heads=2, attention_head_dim=8, in_channels=4, num_layers=2,
        sample_size=16, norm_num_groups=4, num_embeds_ada_norm=10,
    ), pixels, timestep=lambda: torch.zeros(2, dtype=torch.long), class_labels=lambda: torch.zeros(2, dtype=torch.long))
    yield _entry("diffusers", "SD3", _attributes(
        "SD3Transformer2DModel", sample_size=16, in_channels=4, num_layers=2, attention_head_dim=8,
        num_attention_heads=2, joint_attention_dim=16, caption_projection_dim=16, pooled_projection_dim=16,
        out_channels=4, pos_embed_max_size=32,
    ), pixels, encoder_hidden_states=lambda: floats(2, 5, 16), pooled_projections=lambda: floats(2, 16),
        timestep=lambda: torch.zeros(2))


def _audio() -> Iterator[ZooModel]:
    def network(name: str, path: str, *args: Callable[[], Any], **settings: Any) -> ZooModel:
        return _entry("torchaudio", name, _attributes(path, **settings), *args, imports="torchaudio.models")

    speech: dict[str, Any] = {
        "extractor_mode": "group_norm", "extractor_conv_layer_config": [(8, 10, 5), (8, 3, 2)],
        "extractor_conv_bias": False, "encoder_embed_dim": 16, "encoder_projection_dropout": 0.1,
        "encoder_pos_conv_kernel": 8, "encoder_pos_conv_groups": 4, "encoder_num_layers": 2, "encoder_num_heads": 2,
        "encoder_attention_dropout": 0.1, "encoder_ff_interm_features": 32, "encoder_ff_interm_dropout": 0.1,
        "encoder_dropout": 0.1, "encoder_layer_norm_first": False, "encoder_layer_drop": 0.0, "aux_num_out": 6,
    }
    yield network("Wav2Vec2", "wav2vec2_model", lambda: floats(2, 800), **speech)
    yield network("Conformer", "Conformer", lambda: floats(2, 20, 16), lambda: torch.full((2,), 20), input_dim=16,
                  num_heads=4, ffn_dim=32, num_layers=2, depthwise_conv_kernel_size=7)
    yield network("ConvTasNet", "ConvTasNet", lambda: floats(2, 1, 800), enc_num_feats=16, msk_num_feats=8,
                  msk_num_hidden_feats=16, msk_num_layers=2, msk_num_stacks=2)
    yield network("DeepSpeech", "DeepSpeech", lambda: floats(2, 1, 20, 8), n_feature=8, n_hidden=16)
    yield network("Emformer", "Emformer", lambda: floats(2, 9, 16), lambda: torch.full((2,), 8), input_dim=16,
                  num_heads=4, ffn_dim=32, num_layers=2, segment_length=4, right_context_length=1)
    yield network("Tacotron2", "Tacotron2", lambda: integers(2, 7, below=20), lambda: torch.full((2,), 7),
                  lambda: floats(2, 8, 5), lambda: torch.full((2,), 5), n_symbol=20, n_mels=8,
                  symbol_embedding_dim=16, encoder_embedding_dim=16, decoder_rnn_dim=16, prenet_dim=8,
                  attention_rnn_dim=16, attention_hidden_dim=8, postnet_embedding_dim=16)
    yield _entry("torchaudio", "MelSpectrogram and a convolution", lambda transforms: nn.Sequential(
        transforms.MelSpectrogram(n_fft=64, n_mels=16), nn.Conv1d(16, 4, 3), nn.Flatten(), nn.Linear(4 * 24, 5)
    ), lambda: floats(2, 800), imports="torchaudio.transforms")


def _vit_pytorch() -> Iterator[ZooModel]:
    transformer: dict[str, Any] = {"image_size": 32, "patch_size": 8, "num_classes": 5, "dim": 32, "depth": 2,
                                   "heads": 2, "mlp_dim": 32}

    def network(module: str, name: str, *shape: int, **settings: Any) -> ZooModel:
        return _entry("vit_pytorch", f"{module}.{name}", _attributes(name, **settings), shape=shape or (3, 32, 32),
                      imports=f"vit_pytorch.{module}")

    for module, name in {
        "vit": "ViT", "simple_vit": "SimpleViT", "deepvit": "DeepViT", "vit_for_small_dataset": "ViT",
        "parallel_vit": "ViT",
    }.items():
        yield network(module, name, **transformer)
    yield network("cait", "CaiT", **transformer, cls_depth=1)
    yield network("xcit", "XCiT", **transformer, cls_depth=1)
    yield network("pit", "PiT", **{**transformer, "depth": (1, 1)})
    yield network("vit_with_patch_merger", "ViT", **transformer, patch_merge_layer=1, patch_merge_num_tokens=3)
    yield network("t2t", "T2TViT", dim=16, image_size=32, depth=2, heads=2, mlp_dim=16, num_classes=5,
                  t2t_layers=((7, 4), (3, 2)))
    yield network("cct", "CCT", img_size=32, embedding_dim=32, n_conv_layers=1, num_layers=2, num_heads=2,
                  mlp_ratio=2.0, num_classes=5, positional_embedding="learnable")
    yield network("nest", "NesT", image_size=32, patch_size=4, num_classes=5, dim=16, heads=2, num_hierarchies=2,
                  block_repeats=(1, 1))
    yield network("max_vit", "MaxViT", 3, 64, 64, num_classes=5, dim_conv_stem=8, dim=16, depth=(1, 1), dim_head=8,
                  window_size=4)
    yield network("vit_1d", "ViT", 3, 64, seq_len=64, **{k: v for k, v in transformer.items() if k != "image_size"})
    yield network("vit_3d", "ViT", 3, 4, 32, 32, image_patch_size=8, frames=4, frame_patch_size=2,
                  **{key: value for key, value in transformer.items() if key != "patch_size"})
    yield _entry("vit_pytorch", "na_vit.NaViT", _attributes("NaViT", **{**transformer, "depth": 1}),
                 lambda: [[floats(3, 16, 16), floats(3, 32, 8)], [floats(3, 8, 16)]], imports="vit_pytorch.na_vit")
    for wrapper in ("recorder.Recorder", "extractor.Extractor"):
        yield _entry("vit_pytorch", wrapper, _around(wrapper, transformer), lambda: floats(2, 3, 32, 32))


def _around(wrapper: str, settings: Mapping[str, Any]) -> Callable[[Any], nn.Module]:
    def build(package: Any) -> nn.Module:
        module, name = wrapper.split(".")
        made: nn.Module = getattr(importlib.import_module(f"vit_pytorch.{module}"), name)(package.ViT(**settings))
        return made
    return build


def _spikes() -> Iterator[ZooModel]:
    def neurons(kind: str, **settings: Any) -> ZooModel:
        """Neurons that keep their own state from one call to the next."""
        def build(snn: Any) -> nn.Module:
            first = getattr(snn, kind)(init_hidden=True, **settings)
            last = getattr(snn, kind)(init_hidden=True, output=True, **settings)
            return nn.Sequential(nn.Linear(20, 8), first, nn.Linear(8, 8), last)
        return _entry("snntorch", kind, build, lambda: floats(2, 20))

    yield neurons("Leaky", beta=0.9)
    yield neurons("Synaptic", alpha=0.9, beta=0.8)
    yield neurons("Alpha", alpha=0.9, beta=0.8)
    yield neurons("Lapicque", beta=0.5)
    yield neurons("RLeaky", beta=0.5, linear_features=8)
    yield neurons("RSynaptic", alpha=0.9, beta=0.5, linear_features=8)
    yield _entry("snntorch", "Leaky behind convolutions", lambda snn: nn.Sequential(
        nn.Conv2d(1, 4, 5), nn.MaxPool2d(2), snn.Leaky(0.5, init_hidden=True), nn.Flatten(),
        nn.Linear(4 * 12 * 12, 10), snn.Leaky(0.5, init_hidden=True),
    ), shape=(1, 28, 28))
    yield _entry("snntorch", "LeakyParallel", lambda snn: nn.Sequential(snn.LeakyParallel(20, 8), nn.Linear(8, 3)),
                 lambda: floats(6, 2, 20))


def _convolutions_in_time() -> Iterator[ZooModel]:
    for settings in ({}, {"causal": False}, {"use_skip_connections": True, "use_norm": "layer_norm"},
                     {"use_gate": True, "use_norm": "batch_norm"}, {"output_projection": 3}):
        name = " ".join(["TCN", *map(str, settings)])
        yield _entry("pytorch_tcn", name, _attributes("TCN", num_inputs=4, num_channels=[8, 8], **settings),
                     shape=(4, 64))
    yield _entry("pytorch_tcn", "TCN NLC", _attributes("TCN", num_inputs=4, num_channels=[8, 8], input_shape="NLC"),
                 lambda: floats(2, 64, 4))


def _adapters() -> Iterator[ZooModel]:
    def adapted(config: str, **settings: Any) -> Callable[[Any], nn.Module]:
        def build(peft: Any) -> nn.Module:
            network = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(2048, 16),
                                    nn.BatchNorm1d(16), nn.Linear(16, 5))
            made: nn.Module = peft.get_peft_model(network, getattr(peft, config)(**settings))
            return made
        return build

    def bert(peft: Any) -> nn.Module:
        transformers = importlib.import_module("transformers")
        inner = transformers.BertModel(transformers.BertConfig(
            vocab_size=50, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
            max_position_embeddings=20, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
        ))
        made: nn.Module = peft.get_peft_model(inner, peft.LoraConfig(r=2, target_modules=["query", "value"]))
        return made

    image = lambda: floats(2, 3, 16, 16)  # noqa: E731
    yield _entry("peft", "LoRA", adapted("LoraConfig", r=4, target_modules=["0", "3"]), image)
    yield _entry("peft", "DoRA", adapted("LoraConfig", r=4, target_modules=["3", "5"], use_dora=True), image)
    yield _entry("peft", "LoHa", adapted("LoHaConfig", target_modules=["0", "3"]), image)
    yield _entry("peft", "IA3", adapted("IA3Config", target_modules=["3"], feedforward_modules=[]), image)
    yield _entry("peft", "LoRA in BERT", bert, lambda: integers(2, 7, below=50))


def _lightning() -> Iterator[ZooModel]:
    def classifier(lightning: Any) -> nn.Module:
        class Classifier(lightning.LightningModule):  # type: ignore[misc]  # known at run time only
            """Keeps an example of its input and the loss, as the documentation shows it."""

            def __init__(self, features: int = 16) -> None:
                super().__init__()
                self.save_hyperparameters()
                self.example_input_array = torch.zeros(1, 3, 16, 16)
                self.body = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
                                          nn.AdaptiveAvgPool2d(2))
                self.head = nn.Linear(32, features)
                self.loss = nn.CrossEntropyLoss()

            def forward(self, x: Tensor) -> Tensor:
                found: Tensor = self.head(self.body(x).flatten(1))
                return found

        made: nn.Module = Classifier()
        return made

    for package in ("lightning", "pytorch_lightning"):
        yield _entry(package, "LightningModule", classifier, shape=(3, 16, 16))


# fmt: on

OTHERS: tuple[ZooModel, ...] = (
    *_torchvision(),
    *_timm(),
    *_graphs(),
    *_segmentation(),
    *_clip(),
    *_diffusers(),
    *_audio(),
    *_vit_pytorch(),
    *_spikes(),
    *_convolutions_in_time(),
    *_adapters(),
    *_lightning(),
)
