"""The operations that the graph of a model may hold: an explicit table, by kind. What is not in it is refused.

All of them compute: their effect ends at their outputs and at the variables, tables and random states they are given.
TensorFlow's own flags do not tell that. `ReadFile` is registered as stateless, `ImmutableConst` maps a file that an
attribute names, `FixedUnigramCandidateSampler` reads its vocabulary from one, `DecodeProtoV2` its message types, and
`Abort` ends the process; so the table was written by hand, name by name. It covers what Keras layers, `keras.ops`,
`tf.image` and `tf.io.decode_image` lower to, and the nearest relatives of these.
"""

_BY_KIND = {
    "arithmetic": """
        Abs AccumulateNV2 Acos Acosh Add AddN AddV2 Angle ApproximateEqual Asin Asinh Atan Atan2 Atanh BesselI0
        BesselI0e BesselI1 BesselI1e Betainc Bitcast BitwiseAnd BitwiseOr BitwiseXor Bucketize Cast Ceil ClipByValue
        Complex ComplexAbs Conj Cos Cosh Cross Cumprod Cumsum CumulativeLogsumexp Dawsn Digamma Div DivNoNan Equal Erf
        Erfc Erfinv Exp Expint Expm1 Floor FloorDiv FloorMod FresnelCos FresnelSin Greater GreaterEqual Igamma
        IgammaGradA Igammac Imag Inv Invert IsFinite IsInf IsNan LeftShift Less LessEqual Lgamma Log Log1p LogicalAnd
        LogicalNot LogicalOr Maximum Minimum Mod Mul MulNoNan Ndtri Neg NextAfter NotEqual Polygamma PopulationCount
        Pow Real RealDiv Reciprocal RightShift Rint Round Rsqrt Select SelectV2 Sign Sin Sinh Spence Sqrt Square
        SquaredDifference Sub Tan Tanh TruncateDiv TruncateMod Xdivy Xlog1py Xlogy Zeta
    """,
    "reductions": """
        All Any ApproxTopK ArgMax ArgMin Bincount DenseBincount EuclideanNorm HistogramFixedWidth InTopK InTopKV2
        L2Loss Max Mean Min NthElement Prod RaggedBincount SegmentMax SegmentMaxV2 SegmentMean SegmentMin SegmentMinV2
        SegmentProd SegmentProdV2 SegmentSum SegmentSumV2 SparseBincount Sum TopK TopKV2 UnsortedSegmentMax
        UnsortedSegmentMin UnsortedSegmentProd UnsortedSegmentSum
    """,
    "linear algebra": """
        BandedTriangularSolve BatchMatMul BatchMatMulV2 BatchMatMulV3 Cholesky CholeskyGrad Eig Einsum FFT FFT2D FFT3D
        FFTND IFFT IFFT2D IFFT3D IFFTND IRFFT IRFFT2D IRFFT3D IRFFTND LogMatrixDeterminant Lu MatMul MatrixBandPart
        MatrixDeterminant MatrixDiag MatrixDiagPart MatrixDiagPartV2 MatrixDiagPartV3 MatrixDiagV2 MatrixDiagV3
        MatrixInverse MatrixLogarithm MatrixSetDiag MatrixSetDiagV2 MatrixSetDiagV3 MatrixSolve MatrixSolveLs
        MatrixSquareRoot MatrixTriangularSolve Qr RFFT RFFT2D RFFT3D RFFTND SelfAdjointEigV2 SparseMatMul
        SparseTensorDenseMatMul Svd TridiagonalMatMul TridiagonalSolve
    """,
    "neural networks": """
        AvgPool AvgPool3D BatchToSpace BatchToSpaceND BiasAdd BiasAddV1 BlockLSTM BlockLSTMV2 Conv Conv2D
        Conv2DBackpropInput Conv2DBackpropInputV2 Conv3D Conv3DBackpropInputV2 CudnnRNN CudnnRNNCanonicalToParams
        CudnnRNNCanonicalToParamsV2 CudnnRNNParamsSize CudnnRNNParamsToCanonical CudnnRNNParamsToCanonicalV2
        CudnnRNNV2 CudnnRNNV3 DepthToSpace DepthwiseConv2dNative Dilation2D Elu FractionalAvgPool FractionalMaxPool
        FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3 FusedPadConv2D FusedResizeAndPadConv2D GRUBlockCell LRN
        LSTMBlockCell LeakyRelu LogSoftmax MaxPool MaxPool3D MaxPoolV2 MaxPoolWithArgmax Relu Relu6 Selu Sigmoid
        Softmax SoftmaxCrossEntropyWithLogits Softplus Softsign SpaceToBatch SpaceToBatchND SpaceToDepth
        SparseSoftmaxCrossEntropyWithLogits
    """,
    # Inside the gradient functions of tf.custom_gradient, and of penalties on gradients.
    "gradients": """
        AvgPool3DGrad AvgPoolGrad BiasAddGrad BlockLSTMGrad BlockLSTMGradV2 BroadcastGradientArgs Conv2DBackpropFilter
        Conv2DBackpropFilterV2 Conv3DBackpropFilterV2 CropAndResizeGradBoxes CropAndResizeGradImage CudnnRNNBackprop
        CudnnRNNBackpropV2 CudnnRNNBackpropV3 DepthwiseConv2dNativeBackpropFilter DepthwiseConv2dNativeBackpropInput
        Dilation2DBackpropFilter Dilation2DBackpropInput EluGrad FakeQuantWithMinMaxArgsGradient
        FakeQuantWithMinMaxVarsGradient FakeQuantWithMinMaxVarsPerChannelGradient FractionalAvgPoolGrad
        FractionalMaxPoolGrad FusedBatchNormGrad FusedBatchNormGradV2 FusedBatchNormGradV3 GRUBlockCellGrad InvGrad
        LRNGrad LSTMBlockCellGrad LeakyReluGrad MaxPool3DGrad MaxPool3DGradGrad MaxPoolGrad MaxPoolGradGrad
        MaxPoolGradGradV2 MaxPoolGradGradWithArgmax MaxPoolGradV2 MaxPoolGradWithArgmax MirrorPadGrad
        QuantizeAndDequantizeV4Grad RandomGammaGrad ReciprocalGrad Relu6Grad ReluGrad ResizeBicubicGrad
        ResizeBilinearGrad ResizeNearestNeighborGrad RsqrtGrad ScaleAndTranslateGrad SeluGrad SigmoidGrad SoftplusGrad
        SoftsignGrad SqrtGrad StridedSliceGrad TanhGrad
    """,
    "quantisation": """
        Dequantize FakeQuantWithMinMaxArgs FakeQuantWithMinMaxVars FakeQuantWithMinMaxVarsPerChannel
        QuantizeAndDequantizeV2 QuantizeAndDequantizeV3 QuantizeAndDequantizeV4 QuantizeV2
    """,
    "shapes and indices": """
        BroadcastArgs BroadcastTo Concat ConcatOffset ConcatV2 ConjugateTranspose Const DataFormatDimMap
        DataFormatVecPermute Diag DiagPart DynamicPartition DynamicStitch EnsureShape ExpandDims Fill Gather GatherNd
        GatherV2 GuaranteeConst Identity IdentityN InvertPermutation LinSpace ListDiff LowerBound MirrorPad OneHot
        OnesLike Pack Pad PadV2 ParallelConcat ParallelDynamicStitch Placeholder PlaceholderV2 PlaceholderWithDefault
        PreventGradient Range Rank Reshape Reverse ReverseSequence ReverseV2 Roll ScatterNd ScatterNdNonAliasingAdd
        Shape ShapeN Size Slice Snapshot Split SplitV Squeeze StopGradient StridedSlice TensorScatterAdd
        TensorScatterMax TensorScatterMin TensorScatterSub TensorScatterUpdate TensorStridedSliceUpdate Tile Transpose
        Unique UniqueV2 UniqueWithCounts UniqueWithCountsV2 Unpack UnravelIndex UpperBound Where ZerosLike
    """,
    "sparse and ragged tensors": """
        RaggedFillEmptyRows RaggedGather RaggedRange RaggedTensorFromVariant RaggedTensorToSparse RaggedTensorToTensor
        RaggedTensorToVariant SparseAdd SparseConcat SparseCross SparseCrossHashed SparseCrossV2 SparseDenseCwiseAdd
        SparseDenseCwiseDiv SparseDenseCwiseMul SparseFillEmptyRows SparseReduceMax SparseReduceSum SparseReorder
        SparseReshape SparseSegmentMean SparseSegmentMeanWithNumSegments SparseSegmentSqrtN
        SparseSegmentSqrtNWithNumSegments SparseSegmentSum SparseSegmentSumWithNumSegments SparseSlice SparseSoftmax
        SparseSparseMaximum SparseSparseMinimum SparseSplit SparseTensorDenseAdd SparseToDense
    """,
    # Of images that are given as bytes, never as the name of a file.
    "images": """
        AdjustContrastv2 AdjustHue AdjustSaturation CombinedNonMaxSuppression CropAndResize DecodeAndCropJpeg
        DecodeBmp DecodeGif DecodeImage DecodeJpeg DecodePng DrawBoundingBoxes DrawBoundingBoxesV2 EncodeJpeg
        EncodeJpegVariableQuality EncodePng ExtractGlimpse ExtractGlimpseV2 ExtractImagePatches ExtractJpegShape
        ExtractVolumePatches GenerateBoundingBoxProposals HSVToRGB ImageProjectiveTransformV2
        ImageProjectiveTransformV3 NonMaxSuppression NonMaxSuppressionV2 NonMaxSuppressionV3 NonMaxSuppressionV4
        NonMaxSuppressionV5 NonMaxSuppressionWithOverlaps RGBToHSV ResizeArea ResizeBicubic ResizeBilinear
        ResizeNearestNeighbor SampleDistortedBoundingBox SampleDistortedBoundingBoxV2 ScaleAndTranslate
        StatelessSampleDistortedBoundingBox
    """,
    "strings": """
        AsString DecodeBase64 DecodeRaw EncodeBase64 ReduceJoin RegexFullMatch RegexReplace StaticRegexFullMatch
        StaticRegexReplace StringFormat StringJoin StringLength StringLower StringNGrams StringSplit StringSplitV2
        StringStrip StringToHashBucket StringToHashBucketFast StringToHashBucketStrong StringToNumber StringUpper
        Substr UnicodeDecode UnicodeDecodeWithOffsets UnicodeEncode UnicodeScript UnicodeTranscode UnsortedSegmentJoin
    """,
    "random numbers": """
        Multinomial ParameterizedTruncatedNormal RandomGamma RandomIndexShuffle RandomPoissonV2 RandomShuffle
        RandomStandardNormal RandomUniform RandomUniformInt RngReadAndSkip RngSkip StatefulRandomBinomial
        StatefulStandardNormalV2 StatefulTruncatedNormal StatefulUniform StatefulUniformFullInt StatefulUniformInt
        StatelessMultinomial StatelessParameterizedTruncatedNormal StatelessRandomBinomial StatelessRandomGammaV2
        StatelessRandomGammaV3 StatelessRandomGetAlg StatelessRandomGetKeyCounter StatelessRandomGetKeyCounterAlg
        StatelessRandomNormal StatelessRandomNormalV2 StatelessRandomPoisson StatelessRandomUniform
        StatelessRandomUniformFullInt StatelessRandomUniformFullIntV2 StatelessRandomUniformInt
        StatelessRandomUniformIntV2 StatelessRandomUniformV2 StatelessShuffle StatelessTruncatedNormal
        StatelessTruncatedNormalV2 TruncatedNormal
    """,
    "variables": """
        AssignAddVariableOp AssignSubVariableOp AssignVariableOp DestroyResourceOp ReadVariableOp ResourceGather
        ResourceGatherNd ResourceScatterAdd ResourceScatterDiv ResourceScatterMax ResourceScatterMin
        ResourceScatterMul ResourceScatterNdAdd ResourceScatterNdMax ResourceScatterNdMin ResourceScatterNdSub
        ResourceScatterNdUpdate ResourceScatterSub ResourceScatterUpdate ResourceStridedSliceAssign VarHandleOp
        VarIsInitializedOp VariableShape
    """,
    # With contents from the graph or from the checkpoint; those filled from files are other operations.
    "tables": """
        AnonymousHashTable AnonymousMutableDenseHashTable AnonymousMutableHashTable AnonymousMutableHashTableOfTensors
        HashTableV2 InitializeTableV2 LookupTableExportV2 LookupTableFindV2 LookupTableImportV2 LookupTableInsertV2
        LookupTableRemoveV2 LookupTableSizeV2 MutableDenseHashTableV2 MutableHashTableOfTensorsV2 MutableHashTableV2
    """,
    "control flow": "Assert CheckNumerics CheckNumericsV2 Enter Exit LoopCond Merge NextIteration NoOp Switch",
    # They take functions, whose operations count too: see CALLS.
    "calls": "Case For If PartitionedCall StatefulPartitionedCall StatelessCase StatelessIf StatelessWhile While",
    "lists of tensors": """
        EmptyTensorList TensorArrayCloseV3 TensorArrayConcatV3 TensorArrayGatherV3 TensorArrayGradV3
        TensorArrayGradWithShape TensorArrayReadV3 TensorArrayScatterV3 TensorArraySizeV3 TensorArraySplitV3
        TensorArrayV3 TensorArrayWriteV3 TensorListConcat TensorListConcatLists TensorListConcatV2
        TensorListElementShape TensorListFromTensor TensorListGather TensorListGetItem TensorListLength
        TensorListPopBack TensorListPushBack TensorListPushBackBatch TensorListReserve TensorListResize
        TensorListScatter TensorListScatterIntoExistingList TensorListScatterV2 TensorListSetItem TensorListSplit
        TensorListStack
    """,
}

# Kind -> names of operations.
BY_KIND = {kind: frozenset(names.split()) for kind, names in _BY_KIND.items()}
# All names.
SAFE = frozenset().union(*BY_KIND.values())
# Those of them that run functions named in their attributes; the others run none.
CALLS = BY_KIND["calls"]
# What TensorFlow's Saver needs besides, to write and to read the files of variables; nothing else may use them.
SAVING = frozenset({"DisableCopyOnRead", "MergeV2Checkpoints", "SaveV2", "ShardedFilename"})
RESTORING = frozenset({"RestoreV2"})
