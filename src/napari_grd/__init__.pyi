from .api import (
    Accept as Accept,
)
from .api import (
    Add as Add,
)
from .api import (
    BeforeAfter as BeforeAfter,
)
from .api import (
    Calibration as Calibration,
)
from .api import (
    Channel as Channel,
)
from .api import (
    Correction as Correction,
)
from .api import (
    Corrections as Corrections,
)
from .api import (
    DistillConfig as DistillConfig,
)
from .api import (
    Draw as Draw,
)
from .api import (
    Erase as Erase,
)
from .api import (
    Event as Event,
)
from .api import (
    FileSaved as FileSaved,
)
from .api import (
    FineTuneConfig as FineTuneConfig,
)
from .api import (
    ImageData as ImageData,
)
from .api import (
    ImageRef as ImageRef,
)
from .api import (
    InstanceGraph as InstanceGraph,
)
from .api import (
    Link as Link,
)
from .api import (
    Merge as Merge,
)
from .api import (
    MergeVolume as MergeVolume,
)
from .api import (
    Model as Model,
)
from .api import (
    ModelCard as ModelCard,
)
from .api import (
    ModelConfig as ModelConfig,
)
from .api import (
    NetworkConfig as NetworkConfig,
)
from .api import (
    Notice as Notice,
)
from .api import (
    ObjectTable as ObjectTable,
)
from .api import (
    PartitionConfig as PartitionConfig,
)
from .api import (
    Pick as Pick,
)
from .api import (
    Prediction as Prediction,
)
from .api import (
    PreviewImages as PreviewImages,
)
from .api import (
    Progress as Progress,
)
from .api import (
    Region as Region,
)
from .api import (
    Remove as Remove,
)
from .api import (
    Scores as Scores,
)
from .api import (
    SegmentationErrors as SegmentationErrors,
)
from .api import (
    SegmentConfig as SegmentConfig,
)
from .api import (
    Split as Split,
)
from .api import (
    SplitLine as SplitLine,
)
from .api import (
    SplitLineVolume as SplitLineVolume,
)
from .api import (
    SplitVolume as SplitVolume,
)
from .api import (
    StepMetrics as StepMetrics,
)
from .api import (
    Suggestion as Suggestion,
)
from .api import (
    Taught as Taught,
)
from .api import (
    TeachConfig as TeachConfig,
)
from .api import (
    Teacher as Teacher,
)
from .api import (
    TeacherInfo as TeacherInfo,
)
from .api import (
    TeacherPrediction as TeacherPrediction,
)
from .api import (
    TeacherSource as TeacherSource,
)
from .api import (
    TrainConfig as TrainConfig,
)
from .api import (
    Unlink as Unlink,
)
from .api import (
    affinities as affinities,
)
from .api import (
    before_after as before_after,
)
from .api import (
    builtin_models as builtin_models,
)
from .api import (
    calibrate_int8 as calibrate_int8,
)
from .api import (
    distill as distill,
)
from .api import (
    drain as drain,
)
from .api import (
    embed as embed,
)
from .api import (
    evaluate as evaluate,
)
from .api import (
    export_model as export_model,
)
from .api import (
    export_objects as export_objects,
)
from .api import (
    fetch_model as fetch_model,
)
from .api import (
    filter_objects as filter_objects,
)
from .api import (
    find_errors as find_errors,
)
from .api import (
    find_images as find_images,
)
from .api import (
    fine_tune as fine_tune,
)
from .api import (
    instance_graph as instance_graph,
)
from .api import (
    iter_distill as iter_distill,
)
from .api import (
    iter_export_objects as iter_export_objects,
)
from .api import (
    iter_fine_tune as iter_fine_tune,
)
from .api import (
    iter_measure as iter_measure,
)
from .api import (
    iter_predict as iter_predict,
)
from .api import (
    iter_segment as iter_segment,
)
from .api import (
    iter_segment_zarr as iter_segment_zarr,
)
from .api import (
    iter_teach as iter_teach,
)
from .api import (
    iter_train as iter_train,
)
from .api import (
    list_series as list_series,
)
from .api import (
    load_corrections as load_corrections,
)
from .api import (
    load_model as load_model,
)
from .api import (
    load_teacher as load_teacher,
)
from .api import (
    measure as measure,
)
from .api import (
    partition as partition,
)
from .api import (
    predict as predict,
)
from .api import (
    read_image as read_image,
)
from .api import (
    read_label_image as read_label_image,
)
from .api import (
    save_corrections as save_corrections,
)
from .api import (
    save_model as save_model,
)
from .api import (
    segment as segment,
)
from .api import (
    segment_zarr as segment_zarr,
)
from .api import (
    suggest_model as suggest_model,
)
from .api import (
    teach as teach,
)
from .api import (
    teachers as teachers,
)
from .api import (
    train as train,
)
from .api import (
    training_labels as training_labels,
)
from .errors import (
    Cancelled as Cancelled,
)
from .errors import (
    ConfigError as ConfigError,
)
from .errors import (
    CorrectionError as CorrectionError,
)
from .errors import (
    DataError as DataError,
)
from .errors import (
    GrdError as GrdError,
)
from .errors import (
    GrdWarning as GrdWarning,
)
from .errors import (
    ImageError as ImageError,
)
from .errors import (
    LabelError as LabelError,
)
from .errors import (
    ModelFileError as ModelFileError,
)
from .errors import (
    NothingStandsOut as NothingStandsOut,
)
from .errors import (
    OutOfMemory as OutOfMemory,
)
from .errors import (
    OutputError as OutputError,
)

__version__: str
